import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import CVault, { memoryStorage, type LogEntry } from '../src/index.js';
import { json, problem, thrown } from './support/clients.js';

// Each of them is planted once; none may turn up where it does not belong.
const canaries = {
  secret: 'canary-secret', password: 'canary-password', access: 'canary-access', refresh: 'canary-refresh', access2: 'canary-access-2', refresh2: 'canary-refresh-2',
  config: 'canary-private-key', oneTime: 'canary-one-time', idToken: 'canary-id-token', query: 'canary-cursor',
};
const tokens = (access: string, refresh: string) => ({ user_id: 'u1', access_token: access, refresh_token: refresh, expires_in: 900, token_type: 'Bearer' });

/** An API that answers as it would, or fails in one of its ways. */
function api(how: 'well' | 'problem' | 'page' | 'network', urls: string[]): typeof fetch {
  return async (input, init) => {
    const url = String(input);
    urls.push(url);
    if (url.includes('/auth/refresh')) return json(tokens(canaries.access2, canaries.refresh2));
    if (how === 'network') throw new TypeError('fetch failed');
    if (how === 'page') return new Response('<html>', { status: 502, headers: { 'content-type': 'text/html', 'x-request-id': 'req-1' } });
    if (how === 'problem') return problem(init?.method === 'POST' ? 422 : 401, init?.method === 'POST' ? 'IDEMPOTENCY_KEY_REUSED' : 'UNAUTHENTICATED');
    if (/auth\/(login|verify|oidc|external)$/.test(url)) return json(tokens(canaries.access, canaries.refresh));
    return json({ device_id: 'd1', config: canaries.config, status: 'x', devices: [], servers: [], users: [], next_cursor: null, current_period: {}, series: null });
  };
}

it.each(['well', 'problem', 'page', 'network'] as const)('when the API does %s no secret is in a log, a URL, an error or the client', async how => {
  const log: LogEntry[] = [];
  const urls: string[] = [];
  const seen: unknown[] = [];
  const storage = memoryStorage();
  await storage.set({ userId: 'u1', accessToken: canaries.access, refreshToken: canaries.refresh, expiresAt: Date.now() + 900_000 });
  const cvault = new CVault({ apiKey: 'cvk_test', apiSecret: canaries.secret, baseUrl: 'https://api.example.com', storage, maxRetries: 1, logger: entry => log.push(entry), fetch: api(how, urls) });
  cvault.on('error', error => seen.push(error));

  const calls = [
    () => cvault.devices.register({ deviceName: 'Laptop' }), () => cvault.devices.list(), () => cvault.devices.list({ cursor: canaries.query }), () => cvault.devices.config('d1'),
    () => cvault.auth.changePassword({ currentPassword: canaries.password, newPassword: canaries.password }), () => cvault.auth.login({ email: 'ada@example.com', password: canaries.password }),
    () => cvault.auth.verify({ token: canaries.oneTime }), () => cvault.auth.oidc({ idToken: canaries.idToken }), () => cvault.auth.resetPassword({ token: canaries.oneTime, password: canaries.password }),
    () => cvault.usage.get(), () => cvault.users.list(), () => cvault.vpn.disconnect(), () => cvault.auth.logout(),
  ];
  for (const call of calls) {
    if (how === 'well') await call();
    else if (call !== calls.at(-1)) seen.push(await thrown(call()));
    else await call();
  }

  expect(log.length).toBeGreaterThan(calls.length - 1);
  expect(urls.filter(url => Object.values(canaries).some(canary => canary !== canaries.query && url.includes(canary)))).toEqual([]);
  const shown = [inspect(log, { depth: 9 }), inspect(seen, { depth: 9, showHidden: true }), JSON.stringify(seen), inspect(cvault, { depth: 9, showHidden: true }), JSON.stringify(cvault), String(cvault), seen.map(String)].join('\n');
  for (const canary of Object.values(canaries)) expect(shown).not.toContain(canary);
});

it('the log says what was asked for and what came of it', async () => {
  const log: LogEntry[] = [];
  let attempts = 0;
  const cvault = new CVault({
    apiKey: 'cvp_test', baseUrl: 'https://api.example.com', logger: entry => log.push(entry),
    fetch: async () => (++attempts === 1 ? problem(503, 'SERVICE_UNAVAILABLE', { 'retry-after': '0', 'x-request-id': 'req-1' }) : json({ servers: [], next_cursor: null }, 200, { 'x-request-id': 'req-2' })),
  });
  await cvault.servers.list({ limit: 3 });
  expect(log).toEqual([
    { method: 'GET', path: '/api/v1/servers', attempt: 1, ms: expect.any(Number), status: 503, requestId: 'req-1', error: 'SERVICE_UNAVAILABLE' },
    { method: 'GET', path: '/api/v1/servers', attempt: 2, ms: expect.any(Number), status: 200, requestId: 'req-2' },
  ]);
});

it('a logger whose promise is rejected ends no program', async () => {
  const unheard: unknown[] = [];
  const hear = (reason: unknown) => unheard.push(reason);
  process.on('unhandledRejection', hear);
  const cvault = new CVault({ apiKey: 'cvp_test', baseUrl: 'https://api.example.com', logger: async () => { throw new Error('Full.'); }, fetch: async () => json({ servers: [], next_cursor: null }) });
  await cvault.servers.list();
  await new Promise(resolve => setTimeout(resolve, 20));
  process.off('unhandledRejection', hear);
  expect(unheard).toEqual([]);
});

it('a logger that throws fails no call', async () => {
  const cvault = new CVault({ apiKey: 'cvp_test', baseUrl: 'https://api.example.com', logger: () => { throw new Error('Full.'); }, fetch: async () => json({ servers: [], next_cursor: null }) });
  expect(await cvault.servers.list()).toEqual({ servers: [], nextCursor: null });
});
