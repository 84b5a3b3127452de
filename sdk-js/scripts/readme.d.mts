export interface Block {
  kind: string;
  code: string;
  line: number;
  json?: unknown;
}

export interface Said {
  line: number;
  logged: unknown[];
  error?: string;
}

export function blocks(): Block[];
export function blockOf(kind: string): string;
export function program(examples: Block[]): string;
export function differences(examples: Block[], said: Said[], live: boolean): string[];
