import { afterEach, describe, expect, it, vi } from 'vitest';
import CVault, { localStorageStorage, memoryStorage } from '../src/index.js';
import { CannedApi } from './support/canned-api.js';
import { clientOf, json, noDevices, problem, refreshed, signedIn, stored, thrown } from './support/clients.js';

afterEach(() => vi.unstubAllGlobals());

/** Web Locks, as far as they are used: exclusive, first come first served. */
function locks() {
  const last = new Map<string, Promise<unknown>>();
  const names: string[] = [];
  return {
    names,
    request<T>(name: string, work: () => Promise<T>): Promise<T> {
      names.push(name);
      const turn = (last.get(name) ?? Promise.resolve()).then(work, work);
      last.set(name, turn.catch(() => {}));
      return turn;
    },
  };
}

describe('one refresh', () => {
  it('for two clients that share a store', async () => {
    await using api = await CannedApi.start([refreshed, noDevices('A2', 20)]);
    const storage = signedIn(-1);
    const [one, other] = [clientOf(api.url, { storage }), clientOf(api.url, { storage })];
    await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? one : other).devices.list()));
    expect(api.verdict()).toEqual([]);
  });

  it('for two tabs, which share localStorage and locks and nothing else', async () => {
    const item = new Map([['cvault.session', JSON.stringify(stored(-1))]]);
    vi.stubGlobal('localStorage', { getItem: (key: string) => item.get(key) ?? null, setItem: (key: string, value: string) => item.set(key, value), removeItem: (key: string) => item.delete(key) });
    const lockManager = locks();
    vi.stubGlobal('window', {});
    vi.stubGlobal('document', {});
    vi.stubGlobal('navigator', { locks: lockManager });
    await using api = await CannedApi.start([refreshed, noDevices('A2', 20)]);
    const tabs = [localStorageStorage(), localStorageStorage()].map(storage => clientOf(api.url, { storage }));
    await Promise.all(Array.from({ length: 20 }, (_, i) => tabs[i % 2]!.devices.list()));
    expect(api.verdict()).toEqual([]);
    expect(lockManager.names).toEqual(Array(2).fill(`cvault ${api.url} cvp_test`));
  });

  it('has one key, kept with the login, for all processes that share it', async () => {
    const keys: (string | null)[] = [];
    const offline: typeof fetch = async (_, init) => {
      keys.push(new Headers(init?.headers).get('idempotency-key'));
      throw new TypeError('fetch failed');
    };
    const first = signedIn(-1);
    await thrown(clientOf('https://api.example.com', { storage: first, fetch: offline, maxRetries: 0 }).devices.list());
    const other = memoryStorage(); // as another process reads it
    await other.set({ ...(await first.get())! });
    await thrown(clientOf('https://api.example.com', { storage: other, fetch: offline, maxRetries: 0 }).devices.list());
    expect(keys).toEqual([expect.any(String), keys[0]]);
    expect((await first.get())!.refreshKey).toBe(keys[0]);
  });

  it('goes on when the caller that began it gives up', async () => {
    await using api = await CannedApi.start([refreshed, noDevices('A2', 1)]);
    const cvault = clientOf(api.url, { storage: signedIn(-1) });
    const stop = new AbortController();
    const [given, other] = [thrown(cvault.devices.list({}, { signal: stop.signal })), cvault.devices.list().then(page => page)];
    await api.haveArrived(1);
    stop.abort();
    expect(await given).toBe(stop.signal.reason);
    expect(await other).toEqual({ devices: [], nextCursor: null });
    expect(api.verdict()).toEqual([]);
  });

  it('per token: of a token that is refused while another one is refreshed there is a second', async () => {
    const calls: string[] = [];
    const storage = signedIn(-1);
    // Another tab has refreshed already, and what it got is revoked.
    const cvault = clientOf('https://api.example.com', { storage, fetch: async (url, init) => {
      const token = new Headers(init?.headers).get('authorization');
      calls.push(`${new URL(String(url)).pathname} ${token ?? String(init?.body)}`);
      if (token === null) return json({ user_id: 'u1', access_token: 'A3', refresh_token: 'R3', expires_in: 900, token_type: 'Bearer' });
      return token === 'Bearer A3' ? json({ devices: [], next_cursor: null }) : problem(401, 'UNAUTHENTICATED');
    } });
    const list = cvault.devices.list().then(page => page);
    await storage.set({ ...stored(), accessToken: 'A2', refreshToken: 'R2' });
    await list;
    expect(calls).toEqual(['/api/v1/devices Bearer A2', '/api/v1/auth/refresh {"refresh_token":"R2"}', '/api/v1/devices Bearer A3']);
  });

  it('that the API answers with the refused token again does not go round in circles', async () => {
    let refreshes = 0;
    const cvault = clientOf('https://api.example.com', { fetch: async url => {
      if (!String(url).endsWith('/refresh')) return problem(401, 'UNAUTHENTICATED');
      refreshes++;
      return json({ user_id: 'u1', access_token: 'A1', refresh_token: 'R1', expires_in: 900, token_type: 'Bearer' });
    } });
    expect(await thrown(cvault.devices.list())).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(refreshes).toBeLessThan(3);
  });
});

it.each([['expired', -1], ['refused', 900]])('a call whose token is %s is not made for who signed in after it', async (_, seconds) => {
  const storage = signedIn(seconds);
  const asked: string[] = [];
  const answer: typeof fetch = async (url, init) => {
    asked.push(`${new URL(String(url)).pathname} ${new Headers(init?.headers).get('authorization')}`);
    await storage.set({ ...stored(900), userId: 'someone-else', accessToken: 'B1', refreshToken: 'S1' });
    return String(url).endsWith('/auth/refresh') ? json((refreshed.answer as { body: unknown }).body) : problem(401, 'UNAUTHENTICATED');
  };
  expect(await thrown(clientOf('https://api.example.com', { storage, fetch: answer }).devices.register({ deviceName: 'Laptop' }))).toMatchObject({ code: 'UNAUTHENTICATED' });
  expect(asked.filter(call => call.includes('B1'))).toEqual([]);
  expect((await storage.get())!.accessToken).toBe('B1');
});

it('a session says when its token expires', async () => {
  const cvault = new CVault({ apiKey: 'cvp_test', baseUrl: 'https://api.example.com', fetch: async () => json({ user_id: 'u1', access_token: 'A1', refresh_token: 'R1', expires_in: 900, token_type: 'Bearer' }) });
  const before = Date.now();
  await cvault.auth.login({ email: 'ada@example.com', password: 'correct horse battery' });
  const { expiresAt } = (await cvault.auth.session())!;
  expect(expiresAt).toBeGreaterThanOrEqual(before + 900_000);
  expect(expiresAt).toBeLessThanOrEqual(Date.now() + 900_000);
});

it('logout forgets the login before the API hears of it', async () => {
  const storage = signedIn();
  let heldThen: unknown = 'never asked';
  const cvault = clientOf('https://api.example.com', { storage, fetch: async () => {
    heldThen = await storage.get();
    return json({ status: 'logged_out' });
  } });
  await cvault.auth.logout();
  expect(heldThen).toBeNull();
});
