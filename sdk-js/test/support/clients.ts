import CVault, { memoryStorage, type CVaultOptions, type SessionStorage, type StoredSession } from '../../src/index.js';
import type { Exchange } from './canned-api.js';

/** What a store holds: a login with the tokens A1 and R1, good for so many seconds. */
export const stored = (seconds = 900): StoredSession => ({ userId: 'u1', accessToken: 'A1', refreshToken: 'R1', expiresAt: Date.now() + seconds * 1000 });

/** A store with a login in it. */
export function signedIn(seconds = 900): SessionStorage {
  const storage = memoryStorage();
  void storage.set(stored(seconds));
  return storage;
}

/** A user's client of an API at this address. */
export const clientOf = (baseUrl: string, options: Partial<CVaultOptions> = {}) => new CVault({ apiKey: 'cvp_test', baseUrl, storage: signedIn(), ...options });

/** The answer to a refresh of R1, and an empty list for the token that came with it. */
export const refreshed: Exchange = {
  expect: { method: 'POST', path: '/api/v1/auth/refresh', body: { refresh_token: 'R1' } },
  answer: { status: 200, body: { user_id: 'u1', access_token: 'A2', refresh_token: 'R2', expires_in: 900, token_type: 'Bearer' }, delay_ms: 50 },
};

/** An empty list of devices, so many times. */
export const noDevices = (token: string, times = 1): Exchange => ({
  expect: { method: 'GET', path: '/api/v1/devices', headers: { authorization: `Bearer ${token}` } },
  answer: { status: 200, body: { devices: [], next_cursor: null } },
  times,
});

/** An answer of the API for a `fetch` that is no network's. */
export const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': status < 400 ? 'application/json' : 'application/problem+json', ...headers } });

/** A problem of the API. */
export const problem = (status: number, code: string, headers: Record<string, string> = {}) => json({ title: 'No.', status, code, request_id: 'req-1' }, status, headers);

/** What a promise is rejected with. */
export async function thrown(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }

  throw new Error('Nothing was thrown.');
}
