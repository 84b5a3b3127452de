import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const lab = fileURLToPath(new URL('../../../../../ops/lab', import.meta.url));
const run = promisify(execFile);

/** Real servers, and the state folder by which `ops/lab` finds them. */
export const isThere = process.env.CVAULT_LAB === 'real' && Boolean(process.env.CVAULT_STATE_DIR);

/** A host that reaches the VPN servers and, but for a tunnel, nothing else. */
export const addClient = (name: string) => run(lab, ['client', name]);

export const on = async (host: string, ...command: string[]): Promise<string> => (await run(lab, ['exec', host, '--', ...command], { maxBuffer: 10_000_000 })).stdout;
