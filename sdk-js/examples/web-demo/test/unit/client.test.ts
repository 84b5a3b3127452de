import { expect, test } from 'vitest';
import { tokensIn } from '../../src/client';

const items = new Map<string, string>();
const storage = { getItem: (key: string) => items.get(key) ?? null, setItem: (key: string, value: string) => void items.set(key, value), removeItem: (key: string) => void items.delete(key) } as Storage;
const settings = { baseUrl: 'https://api.example.com', apiKey: 'cvp_abc', remember: true };
const login = { userId: 'u1', accessToken: 'A1', refreshToken: 'R1', expiresAt: 1 };

test('a login is for the API and the key that it was made with', async () => {
  await tokensIn(storage, settings).set(login);
  expect(await tokensIn(storage, settings).get()).toEqual(login);
  expect(await tokensIn(storage, { ...settings, baseUrl: 'https://other.example.com' }).get()).toBeNull();
  expect(await tokensIn(storage, { ...settings, apiKey: 'cvp_other' }).get()).toBeNull();
  await tokensIn(storage, settings).clear();
  expect(items.size).toBe(0);
});
