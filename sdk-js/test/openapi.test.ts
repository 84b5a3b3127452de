import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { generate, reduce } from '../scripts/openapi.mjs';

const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
const document = JSON.parse(read('openapi.json')) as object;

it('the types are those of openapi.json', async () => {
  expect(read('src/openapi.ts')).toBe(await generate(document));
});

it('openapi.json has what the SDK uses and no more', () => {
  expect(reduce(document)).toEqual(document);
});
