export const limit: number;
export function size(): number;
