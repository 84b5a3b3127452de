import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { reduce } from '../scripts/openapi.mjs';
import CVault, { memoryStorage, type CVaultOptions } from '../src/index.js';
import { thrown } from './support/clients.js';

const { CVAULT_URL: baseUrl = '', CVAULT_PUBLISHABLE_KEY = '', CVAULT_API_KEY = '', CVAULT_API_SECRET = '', CVAULT_OPERATOR_TOKEN = '' } = process.env;
const password = 'correct horse battery';
const emailOf = (name: string) => `${name}-${crypto.randomUUID()}@example.com`;
const app = (options: Partial<CVaultOptions> = {}) => new CVault({ apiKey: CVAULT_PUBLISHABLE_KEY, baseUrl, ...options });
const server = (options: Partial<CVaultOptions> = {}) => new CVault({ apiKey: CVAULT_API_KEY, apiSecret: CVAULT_API_SECRET, baseUrl, ...options });

/** A new user's client, with the store that its login is in and the paths that it asked for. */
async function signedUp(options: Partial<CVaultOptions> = {}) {
  const storage = memoryStorage();
  const asked: string[] = [];
  const counted: typeof fetch = (url, init) => {
    asked.push(`${init?.method} ${new URL(String(url)).pathname}`);
    return (options.fetch ?? fetch)(url, init);
  };
  const cvault = app({ ...options, storage, fetch: counted });
  const email = emailOf('ada');
  const { userId } = await cvault.auth.register({ email, password });
  return { cvault, storage, asked, email, userId: userId! };
}

/** A fetch that, once, loses the answer to a request that the API has carried out. */
function losing(path: string) {
  const keys: (string | null)[] = [];
  const replayed: (string | null)[] = [];
  const lossy: typeof fetch = async (url, init) => {
    const answer = await fetch(url, init);
    if (!String(url).endsWith(path)) return answer;
    keys.push(new Headers(init?.headers).get('idempotency-key'));
    replayed.push(answer.headers.get('idempotent-replayed'));
    if (keys.length > 1) return answer;
    await answer.arrayBuffer();
    throw new TypeError('fetch failed');
  };
  return { lossy, keys, replayed };
}

describe.skipIf(!baseUrl)('against the live API of CVAULT_URL', { timeout: 60_000 }, () => {
  it('openapi.json says what the API says', async () => {
    const document = (await (await fetch(`${baseUrl}/openapi/v1.json`)).json()) as object;
    expect(reduce(document)).toEqual(JSON.parse(readFileSync(new URL('../openapi.json', import.meta.url), 'utf8')));
  });

  it('the README\'s examples run, and answer what it says', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(new URL('../scripts/readme.mjs', import.meta.url))]);
    expect(stdout).toMatch(/^(\d+) of \1 examples run live\n$/);
  });

  it('a registration whose answer is lost, retried, makes one device', async () => {
    const { lossy, keys, replayed } = losing('/devices');
    const { cvault } = await signedUp({ fetch: lossy });
    const device = await cvault.devices.register({ deviceName: 'Laptop' });
    const listed: string[] = [];
    for await (const { id } of cvault.devices.list()) listed.push(id);
    expect(listed).toEqual([device.id]);
    expect(keys.slice(0, 2)).toEqual([keys[0], keys[0]]);
    expect(replayed.slice(0, 2)).toEqual([null, 'true']);
    expect(device.config).toContain('PrivateKey = ');
  });

  it('a key of the caller\'s, used twice at once, makes one device', async () => {
    const { cvault } = await signedUp();
    const idempotencyKey = crypto.randomUUID();
    const made = await Promise.all([1, 2, 3].map(() => cvault.devices.register({ deviceName: 'Laptop' }, { idempotencyKey, maxRetries: 5 })));
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    expect(await thrown(cvault.devices.register({ deviceName: 'Phone' }, { idempotencyKey }))).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED', status: 422 });
  });

  it.each(['expired', 'refused'])('100 parallel calls with a token that is %s make one refresh', async how => {
    const { cvault, storage, asked } = await signedUp();
    const before = (await storage.get())!;
    await storage.set(how === 'expired' ? { ...before, expiresAt: Date.now() - 1000 } : { ...before, accessToken: 'eyJhbGciOiJSUzI1NiJ9.e30.c2ln' });
    const pages = await Promise.all(Array.from({ length: 100 }, () => cvault.devices.list()));
    expect(pages).toEqual(Array(100).fill({ devices: [], nextCursor: null }));
    expect(asked.filter(path => path.endsWith('/auth/refresh')).length).toBe(1);
    const after = (await storage.get())!;
    expect([after.userId, after.refreshToken === before.refreshToken]).toEqual([before.userId, false]);
  });

  it('a refresh whose answer is lost is asked for again, and the login goes on', async () => {
    const { lossy, keys, replayed } = losing('/auth/refresh');
    const { cvault, storage } = await signedUp({ fetch: lossy });
    await storage.set({ ...(await storage.get())!, expiresAt: 0 });
    await cvault.devices.list();
    expect([keys[0] === keys[1], replayed]).toEqual([true, [null, 'true']]);
    await storage.set({ ...(await storage.get())!, expiresAt: 0 });
    await cvault.devices.list();
  });

  it('two processes that refresh the same login at once make one refresh of it', async () => {
    const { storage } = await signedUp();
    const login = { ...(await storage.get())!, expiresAt: 0 };
    const stores = [memoryStorage(), memoryStorage(), memoryStorage()];
    for (const store of stores) await store.set(login);
    await Promise.all(stores.map(store => app({ storage: store, maxRetries: 5 }).devices.list()));
    const [one, ...others] = await Promise.all(stores.map(async store => (await store.get())!.refreshToken));
    expect(others).toEqual([one, one]);
    await stores[0]!.set({ ...(await stores[0]!.get())!, expiresAt: 0 });
    await app({ storage: stores[0]! }).devices.list();
  });

  it('a refresh token that somebody used already ends the login', async () => {
    const { cvault, storage } = await signedUp();
    const before = (await storage.get())!;
    await storage.set({ ...before, expiresAt: 0 });
    await cvault.devices.list();
    await new Promise(passed => setTimeout(passed, 11_000)); // for ten seconds the API takes it for an answer that was lost
    await storage.set({ ...before, refreshKey: crypto.randomUUID(), expiresAt: 0 });
    expect(await thrown(cvault.devices.list())).toMatchObject({ code: 'UNAUTHENTICATED', status: 401 });
    expect(await storage.get()).toBeNull();
  });

  it('logout ends the login at the API', async () => {
    const { cvault, storage } = await signedUp();
    const before = (await storage.get())!;
    await cvault.auth.logout();
    const answer = await fetch(`${baseUrl}/api/v1/devices`, { headers: { 'X-API-Key': CVAULT_PUBLISHABLE_KEY, Authorization: `Bearer ${before.accessToken}` } });
    expect(answer.status).toBe(401);
  });

  it('a device goes its way: config, connect, status, rotation, disconnect, removal', async () => {
    const { cvault } = await signedUp();
    const events: string[] = [];
    for (const name of ['connected', 'disconnected'] as const) cvault.on(name, () => events.push(name));
    const device = await cvault.devices.register({ deviceName: 'Laptop' });
    expect(await cvault.devices.configText(device.id)).toBe(device.config);
    expect(await cvault.devices.config(device.id)).toEqual({ id: device.id, config: device.config, containsPrivateKey: true });
    expect([...(await cvault.devices.configQr(device.id)).slice(0, 4)]).toEqual([0x89, 0x50, 0x4e, 0x47]);
    const connection = await cvault.vpn.connect({ deviceId: device.id, serverRegion: device.serverRegion });
    expect(connection).toMatchObject({ deviceId: device.id, status: 'connected', assignedIp: device.assignedIp, config: null });
    expect(await cvault.vpn.status()).toMatchObject({ status: 'connected', sessionId: connection.sessionId, sessions: [{ deviceId: device.id }] });
    expect((await cvault.devices.rotateKey(device.id)).publicKey).not.toBe(device.publicKey);
    expect(await cvault.vpn.disconnect({ deviceId: device.id })).toEqual({ sessionId: connection.sessionId, status: 'disconnected', ended: 1 });
    expect(await cvault.devices.remove(device.id)).toMatchObject({ id: device.id, status: 'revoked' });
    expect(await thrown(cvault.devices.get(device.id))).toMatchObject({ code: 'NOT_FOUND' });
    expect(events).toEqual(['connected', 'disconnected']);
  });

  it('lists are walked over their pages', async () => {
    const { cvault, asked } = await signedUp();
    for (const deviceName of ['One', 'Two', 'Three']) await cvault.devices.register({ deviceName });
    const walked: string[] = [];
    for await (const { deviceName } of cvault.devices.list({ limit: 1 })) walked.push(deviceName);
    expect(walked).toEqual(['One', 'Two', 'Three']);
    expect(asked.filter(path => path === 'GET /api/v1/devices').length).toBe(3);
  });

  it('a user whom the server vouches for goes on in the app', async () => {
    const storage = memoryStorage();
    const externalUserId = `u-${crypto.randomUUID()}`;
    const { userId } = await server({ storage }).auth.external({ externalUserId });
    const login = (await storage.get())!;
    const inTheApp = memoryStorage();
    await inTheApp.set({ ...login, expiresAt: 0 }); // so that the app's key refreshes what the server's key began
    expect(await app({ storage: inTheApp }).devices.list()).toEqual({ devices: [], nextCursor: null });
    expect(await server().users.get(userId)).toMatchObject({ id: userId, externalUserId, email: null });
    expect(await server().users.remove(userId)).toEqual({ id: userId, status: 'deleted' });
    expect(await thrown(server().users.get(userId))).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('errors are the API\'s', async () => {
    const { cvault, email } = await signedUp();
    expect(await thrown(cvault.auth.register({ email, password }))).toMatchObject({ code: 'EMAIL_TAKEN', status: 409 });
    expect(await thrown(cvault.auth.login({ email, password: 'wrong wrong wrong' }))).toMatchObject({ code: 'INVALID_CREDENTIALS', status: 401 });
    expect(await thrown(cvault.devices.register({ deviceName: '' }))).toMatchObject({ code: 'VALIDATION_FAILED', errors: { device_name: [expect.any(String)] }, requestId: expect.any(String) });
    expect(await thrown(cvault.usage.get())).toMatchObject({ code: 'FORBIDDEN', status: 403 });
    expect(await thrown(app({ apiKey: 'cvp_none' }).servers.list())).toMatchObject({ code: 'INVALID_API_KEY', status: 401 });
    expect(await thrown(server({ apiSecret: 'cvs_wrong' }).users.list())).toMatchObject({ code: 'INVALID_API_KEY' });
    expect(await thrown(cvault.auth.oidc({ idToken: 'x.y.z' }))).toMatchObject({ code: expect.stringMatching(/^(CONFLICT|UNAUTHENTICATED)$/) });
    expect(await thrown(cvault.auth.verify({ token: 'cvt_none' }))).toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  describe.skipIf(!CVAULT_OPERATOR_TOKEN)('another tenant', () => {
    let other: { cvault: CVault; server: CVault; deviceId: string; userId: string };

    beforeAll(async () => {
      const answer = await fetch(`${baseUrl}/admin/tenants`, { method: 'POST', headers: { Authorization: `Bearer ${CVAULT_OPERATOR_TOKEN}`, 'Content-Type': 'application/json' }, body: JSON.stringify({ name: 'Other' }) });
      const tenant = (await answer.json()) as Record<'api_key' | 'api_secret' | 'publishable_key', string>;
      const cvault = new CVault({ apiKey: tenant.publishable_key, baseUrl });
      const { userId } = await cvault.auth.register({ email: emailOf('eve'), password });
      const { id } = await cvault.devices.register({ deviceName: 'Theirs' });
      other = { cvault, server: new CVault({ apiKey: tenant.api_key, apiSecret: tenant.api_secret, baseUrl }), deviceId: id, userId: userId! };
    });

    it('is out of reach: its ids are NOT_FOUND', async () => {
      const { cvault } = await signedUp();
      const id = other.deviceId;
      const tries = [
        cvault.devices.get(id), cvault.devices.remove(id), cvault.devices.config(id), cvault.devices.configText(id), cvault.devices.configQr(id), cvault.devices.rotateKey(id),
        cvault.vpn.connect({ deviceId: id }), cvault.vpn.disconnect({ deviceId: id }), cvault.vpn.status({ deviceId: id }), server().users.get(other.userId), server().users.remove(other.userId),
      ];
      for (const attempt of await Promise.all(tries.map(thrown))) expect(attempt).toMatchObject({ code: 'NOT_FOUND', status: 404 });
      expect(await other.cvault.devices.get(id)).toMatchObject({ id });
      expect(await other.server.users.get(other.userId)).toMatchObject({ id: other.userId });
    });

    it('is not ours by its token either', async () => {
      const storage = memoryStorage();
      const { accessToken, userId } = (await other.cvault.auth.session())!;
      await storage.set({ userId, accessToken, refreshToken: 'none', expiresAt: Date.now() + 900_000 });
      expect(await thrown(app({ storage }).devices.list())).toMatchObject({ code: 'UNAUTHENTICATED' });
    });
  });
});
