import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blockOf, blocks, differences, program, type Said } from '../scripts/readme.mjs';
import { limit, size } from '../scripts/size.mjs';
import { ErrorCode } from '../src/index.js';
import { anyApi } from './support/any-api.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** An empty project that the packed package is installed into. */
let project: string;
const installed = (...path: string[]) => join(project, 'node_modules/@cvault/sdk-js', ...path);

beforeAll(() => {
  if (!existsSync(join(root, 'dist/index.js'))) throw new Error('Build first: npm run build.');
  project = mkdtempSync(join(tmpdir(), 'cvault-package-'));
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', project], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })) as [{ filename: string }];
  writeFileSync(join(project, 'package.json'), '{ "private": true }');
  execFileSync('npm', ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', `./${filename}`], { cwd: project, stdio: 'ignore' });
}, 60_000);

afterAll(() => rmSync(project, { recursive: true }));

describe('the package', () => {
  it('has what it needs and nothing else', () => {
    expect(readdirSync(installed()).sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'package.json', 'src']);
    const { dependencies, license, version } = JSON.parse(readFileSync(installed('package.json'), 'utf8')) as Record<string, string>;
    expect([dependencies, license]).toEqual([undefined, 'MIT']);
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(readFileSync(installed('CHANGELOG.md'), 'utf8')).toContain(`## ${version}`);
  });

  it('has source maps that lead to its sources', () => {
    const maps = readdirSync(installed('dist')).filter(name => name.endsWith('.map'));
    expect(maps.sort()).toEqual(['cvault.min.js.map', 'index.cjs.map', 'index.d.cts.map', 'index.d.ts.map', 'index.js.map']);
    for (const map of maps) {
      const { sources } = JSON.parse(readFileSync(installed('dist', map), 'utf8')) as { sources: string[] };
      expect(sources.filter(source => !existsSync(installed('dist', source)))).toEqual([]);
      expect(sources).toContain('../src/client.ts');
    }
  });

  it('is used by import and by require, and both are the same to isCVaultError', async () => {
    await using api = await anyApi();
    const use = `const cvault = new CVault({ apiKey: 'cvp_test', baseUrl: process.env.CVAULT_URL });
      cvault.servers.list().then(({ servers }) => console.log(servers[0].region, [Default, Named].every(c => c === CVault)));`;
    writeFileSync(join(project, 'use.mjs'), `import CVault, { CVault as Named } from '@cvault/sdk-js'; import * as all from '@cvault/sdk-js'; const Default = all.default;\n${use}`);
    writeFileSync(join(project, 'use.cjs'), `const { CVault, CVault: Named, default: Default } = require('@cvault/sdk-js');\n${use}`);
    writeFileSync(join(project, 'both.mjs'), `import { createRequire } from 'node:module'; import { isCVaultError } from '@cvault/sdk-js';
      const { CVaultError } = createRequire(import.meta.url)('@cvault/sdk-js'); console.log(isCVaultError(new CVaultError('X', 'x')));`);
    const env = { ...process.env, CVAULT_URL: api.url };
    const outputs = await Promise.all(['use.mjs', 'use.cjs', 'both.mjs'].map(async file => (await run(process.execPath, [file], { cwd: project, env })).stdout.trim()));
    expect(outputs).toEqual(['us-east true', 'us-east true', 'true']);
  });

  it('has types for import and for require, and the README\'s examples agree with them', { timeout: 90_000 }, async () => { // two compilers, on as few as two cores
    writeFileSync(join(project, 'types.mts'), `import CVault, { type Device, type SessionStorage } from '@cvault/sdk-js';
      const cvault: CVault = new CVault({ apiKey: 'cvp_test', baseUrl: 'https://api.example.com' });
      export const devices: Promise<Device[]> = cvault.devices.list().then(page => page.devices);
      export const end: () => void = cvault.on('connected', ({ sessionId }) => sessionId.length);
      // @ts-expect-error There is no such event.
      cvault.on('paused', () => {});
      // @ts-expect-error The device's name is required.
      void cvault.devices.register({});
      export type Store = SessionStorage;`);
    writeFileSync(join(project, 'types.cts'), `import CVault = require('@cvault/sdk-js');
      export const cvault: CVault.CVault = new CVault.CVault({ apiKey: 'cvp_test', baseUrl: 'https://api.example.com' });`);
    writeFileSync(join(project, 'readme.mts'), program(blocks().filter(({ kind }) => ['example', 'canned'].includes(kind))).replace('async function example(line, run)', 'async function example(line: number, run: (console: { log(value: unknown): void }) => Promise<void>)'));
    writeFileSync(join(project, 'quickstart.mts'), blockOf('quickstart'));
    const base = { module: 'NodeNext', target: 'ES2022', lib: ['ES2022', 'DOM', 'DOM.Iterable', 'ESNext.AsyncIterable'], noEmit: true, types: ['node'], typeRoots: [join(root, 'node_modules/@types')] };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...base, types: [], strict: true, exactOptionalPropertyTypes: true }, files: ['types.mts', 'types.cts'] }));
    writeFileSync(join(project, 'tsconfig.readme.json'), JSON.stringify({ compilerOptions: { ...base, skipLibCheck: true }, files: ['readme.mts', 'quickstart.mts'] }));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    for (const config of ['tsconfig.json', 'tsconfig.readme.json']) {
      const { stdout } = await run(process.execPath, [tsc, '-p', config], { cwd: project }).catch((error: { stdout: string }) => error);
      expect(stdout).toBe('');
    }
  });

  it('is small in a page', () => {
    expect(size()).toBeLessThan(limit);
    expect(readFileSync(installed('dist/cvault.min.js'), 'utf8')).not.toMatch(/\bimport\b[^.(]/);
  });
});

describe('the README', () => {
  it('has examples that run, and answer what it says', async () => {
    await using api = await anyApi();
    const examples = blocks().filter(({ kind }) => ['example', 'canned'].includes(kind));
    expect(examples.length).toBeGreaterThan(25);
    writeFileSync(join(project, 'readme.mjs'), program(examples));
    const env = { ...process.env, CVAULT_URL: api.url, CVAULT_PUBLISHABLE_KEY: 'cvp_test', CVAULT_API_KEY: 'cvk_test', CVAULT_API_SECRET: 'cvs_test' };
    const { stdout } = await run(process.execPath, ['readme.mjs'], { cwd: project, env });
    expect(differences(examples, JSON.parse(stdout) as Said[], false)).toEqual([]);
  });

  it('has the quick start, of under thirty lines, which brings a tunnel up and down', async () => {
    await using api = await anyApi();
    const code = blockOf('quickstart');
    expect(code).toBe(readFileSync(join(root, 'examples/quickstart/quickstart.mjs'), 'utf8'));
    expect(code.trimEnd().split('\n').length).toBeLessThan(30);
    // Real tunnels are for the lab; here wg-quick only says what it was given.
    mkdirSync(join(project, 'bin'));
    writeFileSync(join(project, 'bin/wg-quick'), '#!/bin/sh\necho "wg-quick $1 $(stat -c %a "$2") $(stat -c %a "$(dirname "$2")") $(head -n 1 "$2") $2"\n');
    chmodSync(join(project, 'bin/wg-quick'), 0o755);
    writeFileSync(join(project, 'quickstart.mjs'), code);
    const env = { ...process.env, PATH: `${join(project, 'bin')}:${process.env['PATH']}`, CVAULT_URL: api.url, CVAULT_PUBLISHABLE_KEY: 'cvp_test', CVAULT_CHECK_URL: `${api.url}/ip` };
    const lines = (await run(process.execPath, ['quickstart.mjs'], { cwd: project, env })).stdout.trim().split('\n');
    expect(lines.map(line => line.replace(/ \/tmp\/.*/, ''))).toEqual(['before: 198.51.100.11', 'wg-quick up 600 700 [Interface]', 'after: 198.51.100.11', 'wg-quick down 600 700 [Interface]']);
    expect(existsSync(lines[1]!.split(' ').at(-1)!)).toBe(false);
    expect(api.requests).toEqual([
      'POST /api/v1/auth/register', 'POST /api/v1/devices', 'GET /ip', 'POST /api/v1/vpn/connect', 'GET /ip', 'POST /api/v1/vpn/disconnect', expect.stringMatching(/^DELETE \/api\/v1\/devices\/0199a1f0/),
    ]);
  });

  it('lists every error code', () => {
    const listed = [...readme.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(match => match[1]);
    expect(listed.sort()).toEqual(Object.values(ErrorCode).sort());
  });
});
