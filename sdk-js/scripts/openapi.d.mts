export function reduce(document: object): object;
export function generate(document: object): Promise<string>;
