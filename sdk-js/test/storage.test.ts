import { afterEach, describe, expect, it, vi } from 'vitest';
import CVault, { localStorageStorage, memoryStorage, type SessionStorage, type StoredSession } from '../src/index.js';
import { CannedApi } from './support/canned-api.js';
import { json, noDevices, refreshed, stored } from './support/clients.js';

/** The part of Web Storage that there is a use for. */
function webStorage(): Storage {
  const items = new Map<string, string>();
  return { getItem: (key: string) => items.get(key) ?? null, setItem: (key: string, value: string) => void items.set(key, value), removeItem: (key: string) => void items.delete(key) } as Storage;
}

const tokens = { user_id: 'u1', access_token: 'A1', refresh_token: 'R1', expires_in: 900, token_type: 'Bearer' };
const login = { email: 'ada@example.com', password: 'correct horse battery' };
const client = (storage?: SessionStorage, apiKey = 'cvp_test', baseUrl = 'https://api.example.com') => new CVault({ apiKey, baseUrl, fetch: async () => json(tokens), ...(storage && { storage }) });

afterEach(() => vi.unstubAllGlobals());

describe('memory', () => {
  it('keeps a login for its own client', async () => {
    const cvault = client();
    await cvault.auth.login(login);
    expect(await cvault.auth.session()).toMatchObject({ userId: 'u1', accessToken: 'A1' });
    expect(await client().auth.session()).toBeNull();
  });

  it('never hands the refresh token out', async () => {
    const cvault = client();
    const result = await cvault.auth.login(login);
    expect(JSON.stringify([result, await cvault.auth.session()])).not.toContain('R1');
  });
});

describe('localStorage', () => {
  it('is where a page keeps its login, each API and key its own', async () => {
    const area = webStorage();
    vi.stubGlobal('window', {});
    vi.stubGlobal('document', {});
    vi.stubGlobal('localStorage', area);
    await client().auth.login(login);
    expect(await client().auth.session()).toMatchObject({ accessToken: 'A1' });
    expect(await client(undefined, 'cvp_other').auth.session()).toBeNull();
    expect(await client(undefined, 'cvp_test', 'https://other.example.com').auth.session()).toBeNull();
    expect(JSON.parse(area.getItem('cvault.session https://api.example.com cvp_test')!)).toMatchObject({ refreshToken: 'R1' });
    await client().auth.logout();
    expect(area.getItem('cvault.session https://api.example.com cvp_test')).toBeNull();
  });

  it('may be denied to a page, which then has memory', async () => {
    vi.stubGlobal('window', {});
    vi.stubGlobal('document', {});
    vi.stubGlobal('localStorage', undefined);
    Object.defineProperty(globalThis, 'localStorage', { configurable: true, get: () => { throw new DOMException('Denied.', 'SecurityError'); } });
    const cvault = client();
    await cvault.auth.login(login);
    expect(await cvault.auth.session()).toMatchObject({ accessToken: 'A1' });
  });

  it.each(['{', '"text"', '{}', '{"accessToken":"A1"}', '{"userId":"u1","accessToken":"A1","expiresAt":1}', 'null'])('with %s in it is nobody', async text => {
    const area = webStorage();
    area.setItem('mine', text);
    vi.stubGlobal('localStorage', area);
    expect(await localStorageStorage('mine').get()).toBeNull();
  });
});

describe('a custom store', () => {
  it('may take its time', async () => {
    let held: StoredSession | null = stored(-1);
    const later = <T>(value: T) => new Promise<T>(resolve => setTimeout(resolve, 5, value));
    const storage: SessionStorage = { get: () => later(held), set: async session => void (held = await later(session)), clear: async () => void (held = await later(null)) };
    await using api = await CannedApi.start([refreshed, noDevices('A2', 10)]);
    const cvault = new CVault({ apiKey: 'cvp_test', baseUrl: api.url, storage });
    await Promise.all(Array.from({ length: 10 }, () => cvault.devices.list()));
    expect(api.verdict()).toEqual([]);
    expect(held).toMatchObject({ accessToken: 'A2', refreshToken: 'R2' });
  });

  it('that fails fails the call, as it is', async () => {
    const locked = new Error('The keychain is locked.');
    const storage = { ...memoryStorage(), get: () => { throw locked; } };
    await expect(client(storage).devices.list()).rejects.toBe(locked);
  });
});
