import { existsSync, readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

const executablePath = process.env['CVAULT_CHROMIUM'] ?? '/usr/bin/chromium';

/** What the API's own CORS takes and shows: a header that is not there would end every call of a page. */
const origins = readFileSync(new URL('../../src/CVault/Tenants/Origins.cs', import.meta.url), 'utf8');
const headers = (list: string) => new RegExp(`${list} =\\s*\\[([^\\]]*)\\]`).exec(origins)![1]!.replace(/["\s]/g, '');

describe.skipIf(!existsSync(executablePath))('in a real browser (skipped without Chromium)', () => {
  let browser: Browser;
  let site: Server;
  let api: Server;
  let requests: string[];
  let keys: Set<string>;
  const urlOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const listen = (listener: RequestListener) => new Promise<Server>(resolve => {
    const server = createServer(listener).listen(0, '127.0.0.1', () => resolve(server));
  });

  beforeAll(async () => {
    site = await listen((request, response) => {
      const script = request.url === '/cvault.min.js';
      response.writeHead(request.url === '/favicon.ico' ? 204 : 200, { 'content-type': script ? 'text/javascript' : 'text/html' });
      response.end(script ? readFileSync(new URL('../dist/cvault.min.js', import.meta.url)) : '<!doctype html><title>Page</title><script type="module">import * as sdk from "/cvault.min.js"; window.sdk = sdk;</script>');
    });
    api = await listen((request, response) => {
      const cors = { 'access-control-allow-origin': urlOf(site), 'access-control-allow-methods': 'GET,POST,DELETE', 'access-control-allow-headers': headers('Taken'), 'access-control-expose-headers': headers('Shown') };
      if (request.method === 'OPTIONS') return void response.writeHead(204, cors).end();
      const path = request.url!;
      requests.push(`${request.method} ${path} ${request.headers.authorization ?? ''}`.trim());
      if (path === '/api/v1/auth/refresh') keys.add(String(request.headers['idempotency-key']));
      const json = (status: number, body: object, more = {}) => response.writeHead(status, { ...cors, 'content-type': status < 400 ? 'application/json' : 'application/problem+json', ...more }).end(JSON.stringify(body));
      if (path === '/api/v1/auth/refresh') setTimeout(() => json(200, { user_id: 'u1', access_token: 'A2', refresh_token: 'R2', expires_in: 900, token_type: 'Bearer' }), 200);
      else if (path.startsWith('/api/v1/devices?')) response.writeHead(307, { ...cors, location: '/api/v1/elsewhere' }).end();
      else if (path === '/api/v1/devices') json(200, { devices: [], next_cursor: null });
      else if (path === '/api/v1/vpn/disconnect') json(200, { session_id: null, status: 'disconnected', ended: 0 });
      else json(429, { title: 'Too many.', status: 429, code: 'RATE_LIMITED', request_id: 'req-1' }, { 'retry-after': '7', 'x-request-id': 'req-1' });
    });
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  }, 60_000);

  beforeEach(() => {
    requests = [];
    keys = new Set();
  });

  afterAll(async () => {
    await browser?.close();
    for (const server of [site, api]) {
      server.closeAllConnections();
      server.close();
    }
  });

  /** Tabs of one browser profile, with a login in their localStorage that is good for so many seconds. */
  async function tabs(count: number, seconds: number): Promise<Page[]> {
    const context = await browser.newContext();
    const pages = await Promise.all(Array.from({ length: count }, () => context.newPage()));
    for (const page of pages) {
      await page.goto(urlOf(site));
      await page.waitForFunction('window.sdk');
    }

    const login = JSON.stringify({ userId: 'u1', accessToken: 'A1', refreshToken: 'R1', refreshKey: 'K1', expiresAt: Date.now() + seconds * 1000 });
    await pages[0]!.evaluate(([name, login]) => localStorage.setItem(name!, login!), [item(), login]);
    return pages;
  }

  const item = () => `cvault.session ${urlOf(api)} cvp_test`;
  const make = () => `new sdk.CVault({ apiKey: 'cvp_test', baseUrl: '${urlOf(api)}', maxRetries: 0 })`;

  it('forty calls of two tabs with an expired token make one refresh, to the API', async () => {
    const pages = await tabs(2, -1);
    const all = await Promise.all(pages.map(page => page.evaluate(`{ const cvault = ${make()}; Promise.all(Array.from({ length: 20 }, () => cvault.devices.list())); }`)));
    expect(all.flat()).toEqual(Array(40).fill({ devices: [], nextCursor: null }));
    // A tab may still read the old token from its copy of localStorage; by the same key it is the same refresh to the API.
    expect([requests.filter(request => request.includes('refresh')).length <= 2, [...keys]]).toEqual([true, ['K1']]);
    expect(requests.filter(request => request.endsWith('A2')).length).toBe(40);
    expect(await pages[1]!.evaluate(`JSON.parse(localStorage.getItem('${item()}')).refreshToken`)).toBe('R2');
  });

  it('POSTs pass the preflight, and what errors carry can be read', async () => {
    const [page] = await tabs(1, 900);
    const failed = `error => ({ code: error.code, status: error.status, requestId: error.requestId, retryAfter: error.retryAfter })`;
    expect(await page!.evaluate(`${make()}.vpn.disconnect()`)).toEqual({ sessionId: null, status: 'disconnected', ended: 0 });
    expect(await page!.evaluate(`${make()}.servers.list().catch(${failed})`)).toEqual({ code: 'RATE_LIMITED', status: 429, requestId: 'req-1', retryAfter: 7 });
    expect(await page!.evaluate(`${make()}.devices.list({ limit: 1 }).catch(${failed})`)).toEqual({ code: 'UNEXPECTED_ANSWER', status: 0, requestId: null, retryAfter: null });
    expect(requests.filter(request => request.includes('elsewhere'))).toEqual([]);
  });

  it('a secret is refused', async () => {
    const [page] = await tabs(1, 900);
    await expect(page!.evaluate(`new sdk.CVault({ apiKey: 'cvk_test', apiSecret: 'cvs_canary', baseUrl: '${urlOf(api)}' })`)).rejects.toThrow(/must never be in a page/);
  });

  it('so is one in a worker', async () => {
    const [page] = await tabs(1, 900);
    const script = `import { CVault } from '${urlOf(site)}/cvault.min.js';
      try { new CVault({ apiKey: 'cvk_test', apiSecret: 'cvs_canary', baseUrl: '${urlOf(api)}' }); postMessage('taken'); } catch (error) { postMessage(error.message); }`;
    const said = await page!.evaluate(script => new Promise(resolve => {
      new Worker(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })), { type: 'module' }).onmessage = ({ data }) => resolve(data);
    }), script);
    expect(said).toMatch(/must never be in a page/);
  });
});
