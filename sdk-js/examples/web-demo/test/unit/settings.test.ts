import { expect, test } from 'vitest';
import { errorsOf, tidy } from '../../src/settings';

const settings = { baseUrl: 'https://api.example.com', apiKey: 'cvp_abc', remember: false };

test.each(['https://api.example.com', 'https://api.example.com:8443', 'http://127.0.0.1:8080', 'http://localhost:8080'])('%s is an address', (baseUrl) => {
  expect(errorsOf({ ...settings, baseUrl })).toEqual({});
});

test.each(['', 'api.example.com', 'http://api.example.com', 'https://api.example.com/v1', 'https://user:word@api.example.com', 'javascript:alert(1)', 'http://127.0.0.1.example.com'])(
  '%s is none',
  (baseUrl) => {
    expect(errorsOf({ ...settings, baseUrl }).baseUrl).toMatch(/https/);
  },
);

test.each(['cvk_abc', 'cvs_abc'])('%s is refused as a secret', (apiKey) => {
  expect(errorsOf({ ...settings, apiKey }).apiKey).toMatch(/secret key/);
});

test.each(['', 'abc', 'cvp_', 'cvp_a b'])('"%s" is no publishable key', (apiKey) => {
  expect(errorsOf({ ...settings, apiKey }).apiKey).toMatch(/cvp_/);
});

test('what was pasted is tidied', () => {
  expect(tidy({ baseUrl: ' https://api.example.com// ', apiKey: ' cvp_abc\n', remember: true })).toEqual({ ...settings, remember: true });
});
