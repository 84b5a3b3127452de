import { describe, expect, it } from 'vitest';
import { CVaultError, isCVaultError, version } from '../src/index.js';
import { CannedApi } from './support/canned-api.js';
import { clientOf, json, noDevices, problem, thrown } from './support/clients.js';
import { readFileSync } from 'node:fs';

const servers = { servers: [], next_cursor: null };
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('abort', () => {
  it('before the call makes no request', async () => {
    await using api = await CannedApi.start();
    const error = await thrown(clientOf(api.url).servers.list({}, { signal: AbortSignal.abort() }));
    expect(error).toMatchObject({ name: 'AbortError' });
    expect(isCVaultError(error)).toBe(false);
    expect(api.arrived).toEqual([]);
  });

  it('during the request ends it, without a retry and without an error event', async () => {
    await using api = await CannedApi.start([{ ...noDevices('A1'), answer: { status: 200, body: {}, delay_ms: 10_000 } }]);
    const cvault = clientOf(api.url);
    const events: unknown[] = [];
    cvault.on('error', error => events.push(error));
    const stop = new AbortController();
    const error = thrown(cvault.devices.list({}, { signal: stop.signal }));
    await api.haveArrived(1);
    stop.abort();
    expect(await error).toMatchObject({ name: 'AbortError' });
    expect(api.arrived.length).toBe(1);
    expect(events).toEqual([]);
  });

  it('during the wait before a retry ends that', async () => {
    const stop = new AbortController();
    const cvault = clientOf('https://api.example.com', { fetch: async () => problem(503, 'SERVICE_UNAVAILABLE', { 'retry-after': '30' }) });
    const started = Date.now();
    setTimeout(() => stop.abort(new Error('Mine.')), 30);
    expect(await thrown(cvault.servers.list({}, { signal: stop.signal }))).toMatchObject({ message: 'Mine.' });
    expect(Date.now() - started).toBeLessThan(5000);
  });
});

describe('timeout', () => {
  it('is of each attempt, by the client or the call', async () => {
    let attempts = 0;
    const cvault = clientOf('https://api.example.com', {
      timeout: 20, maxRetries: 1,
      fetch: (_, init) => new Promise((_, reject) => {
        attempts++;
        init!.signal!.addEventListener('abort', () => reject(new DOMException('Aborted.', 'AbortError')));
      }),
    });
    expect(await thrown(cvault.servers.list())).toMatchObject({ code: 'NETWORK_ERROR', status: 0, timedOut: true, message: 'The API did not answer within 20 ms.' });
    expect(attempts).toBe(2);
  });

  it('is of the body too', async () => {
    const cvault = clientOf('https://api.example.com', {
      timeout: 20, maxRetries: 0,
      fetch: async (_, init) => new Response(new ReadableStream({
        start: controller => {
          controller.enqueue(new TextEncoder().encode('{'));
          init!.signal!.addEventListener('abort', () => controller.error(new Error('Aborted.')));
        },
      }), { headers: { 'content-type': 'application/json' } }),
    });
    expect(await thrown(cvault.servers.list())).toMatchObject({ code: 'NETWORK_ERROR', timedOut: true });
  });
});

describe('an answer', () => {
  it('without an end is read for a while only', async () => {
    let sent = 0;
    let ended = false;
    const endless = () => new ReadableStream({
      pull: controller => controller.enqueue(new Uint8Array((sent += 1_000_000) && 1_000_000).fill(32)),
      cancel: () => void (ended = true),
    });
    const cvault = clientOf('https://api.example.com', { fetch: async () => new Response(endless(), { headers: { 'content-type': 'application/json', 'x-request-id': 'req-1' } }) });
    expect(await thrown(cvault.servers.list())).toMatchObject({ code: 'UNEXPECTED_ANSWER', status: 200, requestId: 'req-1' });
    expect([sent < 20_000_000, ended]).toEqual([true, true]);
  });

  it('is read where there are no streams', async () => {
    const cvault = clientOf('https://api.example.com', { fetch: async () => Object.defineProperty(json(servers), 'body', { value: undefined }) });
    expect(await cvault.servers.list()).toEqual({ servers: [], nextCursor: null });
  });

  it('that is no API\'s is one error, however it is made', async () => {
    const deep = '['.repeat(20_000) + ']'.repeat(20_000);
    for (const text of [`{"servers":[${deep}],"next_cursor":null}`, '{"servers":{},"next_cursor":null}', '[]', '7']) {
      const cvault = clientOf('https://api.example.com', { fetch: async () => new Response(text, { headers: { 'content-type': 'application/json' } }) });
      expect(await thrown(cvault.servers.list())).toMatchObject({ name: 'CVaultError', code: 'UNEXPECTED_ANSWER', status: 200 });
    }

    expect(await thrown(clientOf('https://api.example.com', { fetch: async () => json({ code: 'X', detail: { toString: 1 } }, 400) }).servers.list())).toMatchObject({ code: 'X', status: 400, message: 'X' });
  });
});

it('a timeout may be for ever', async () => {
  const cvault = clientOf('https://api.example.com', { timeout: Infinity, fetch: () => new Promise(resolve => setTimeout(resolve, 20, json(servers))) });
  expect(await cvault.servers.list()).toEqual({ servers: [], nextCursor: null });
});

describe('retries', () => {
  it('wait longer each time, with jitter, and no shorter than Retry-After says', async () => {
    const at: number[] = [];
    const cvault = clientOf('https://api.example.com', { fetch: async () => (at.push(Date.now()), problem(500, 'INTERNAL_ERROR')) });
    await thrown(cvault.servers.list());
    const [first, second] = [at[1]! - at[0]!, at[2]! - at[1]!];
    expect(first).toBeGreaterThanOrEqual(120);
    expect(second).toBeGreaterThanOrEqual(245);
    expect(at.length).toBe(3);
  });

  it('understand Retry-After as a date', async () => {
    const cvault = clientOf('https://api.example.com', { fetch: async () => problem(503, 'SERVICE_UNAVAILABLE', { 'retry-after': new Date(Date.now() + 3600_000).toUTCString() }) });
    const error = (await thrown(cvault.servers.list())) as CVaultError;
    expect(error.retryAfter).toBeGreaterThan(3590);
    expect(error.retryAfter).toBeLessThanOrEqual(3600);
  });

  it('send a POST again with the key that it had, a UUID', async () => {
    const keys: (string | null)[] = [];
    const cvault = clientOf('https://api.example.com', { fetch: async (_, init) => {
      keys.push(new Headers(init?.headers).get('idempotency-key'));
      return keys.length === 1 ? problem(503, 'SERVICE_UNAVAILABLE', { 'retry-after': '0' }) : json({ session_id: null, status: 'disconnected', ended: 0 });
    } });
    await cvault.vpn.disconnect();
    expect(keys[0]).toMatch(uuid);
    expect(keys).toEqual([keys[0], keys[0]]);
  });
});

describe('requests', () => {
  it('name the SDK and the app, outside browsers', async () => {
    await using api = await CannedApi.start([{ expect: { method: 'GET', path: '/api/v1/servers', headers: { 'user-agent': `cvault-sdk-js/${version} my-app/1.2` } }, answer: { body: servers } }]);
    await clientOf(api.url, { userAgent: 'my-app/1.2' }).servers.list();
    expect(api.verdict()).toEqual([]);
  });

  it('carry nothing that the API\'s CORS would refuse', async () => {
    await using api = await CannedApi.start([noDevices('A1')]);
    await clientOf(api.url).devices.list();
    const sent = Object.keys(api.arrived[0]!.headers).filter(name => !['host', 'connection', 'accept', 'accept-encoding', 'accept-language', 'cache-control', 'pragma', 'sec-fetch-mode', 'user-agent'].includes(name));
    expect(sent.sort()).toEqual(['authorization', 'x-api-key']);
  });

  it('go by the fetch that is given, without cookies and caches', async () => {
    const seen: RequestInit[] = [];
    await clientOf('https://api.example.com/cvault/', { fetch: async (url, init) => (expect(String(url)).toBe('https://api.example.com/cvault/api/v1/servers?limit=3'), seen.push(init!), json(servers)) }).servers.list({ limit: 3 });
    expect(seen[0]).toMatchObject({ method: 'GET', redirect: 'manual', credentials: 'omit', cache: 'no-store' });
  });

  it('with what no header can carry are refused, without saying what it was', async () => {
    for (const options of [{ apiKey: 'cvk_canary\nx' }, { apiSecret: 'cvs_canary\u2028' }]) {
      const error = await thrown(clientOf('https://api.example.com', { ...options, fetch: () => expect.unreachable() }).servers.list());
      expect(error).toMatchObject({ code: 'VALIDATION_FAILED', status: 0 });
      expect(JSON.stringify(error) + String(error)).not.toContain('canary');
    }
  });
});

describe('errors', () => {
  it('are CVaultErrors with their cause', async () => {
    const cause = new Error('ECONNREFUSED');
    const error = await thrown(clientOf('https://api.example.com', { maxRetries: 0, fetch: () => Promise.reject(cause) }).servers.list());
    expect(error).toBeInstanceOf(CVaultError);
    expect(error).toMatchObject({ name: 'CVaultError', code: 'NETWORK_ERROR', status: 0, requestId: null, errors: {}, retryAfter: null, timedOut: false, cause, message: 'The API cannot be reached.' });
  });

  it('are told from others, also across copies of the package', () => {
    expect(isCVaultError(new CVaultError('X', 'x'))).toBe(true);
    expect(isCVaultError(Object.assign(new Error('x'), { name: 'CVaultError', code: 'X' }))).toBe(true);
    expect(isCVaultError(new Error('x'))).toBe(false);
    expect(isCVaultError({ name: 'CVaultError' })).toBe(false);
  });
});

it('the version is the package\'s', () => {
  expect(version).toBe((JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version);
});
