// How big the SDK is in a page: all of it, minified, gzipped. Ends with 1 above the limit.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

export const limit = 12_000;
export const size = () => gzipSync(readFileSync(new URL('../dist/cvault.min.js', import.meta.url)), { level: 9 }).length;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(`dist/cvault.min.js: ${size()} of ${limit} bytes, gzipped`);
  if (size() > limit) process.exitCode = 1;
}
