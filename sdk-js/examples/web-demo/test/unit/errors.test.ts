import { CVaultError } from '@cvault/sdk-js';
import { expect, test } from 'vitest';
import { explain } from '../../src/errors';

const error = (code: string, more: object = {}) => new CVaultError(code, 'Said by the API.', { status: 400, requestId: 'r1', ...more });

test('a known code says what to do', () => {
  expect(explain(error('DEVICE_LIMIT_EXCEEDED'))).toMatchObject({ title: 'You have as many devices as you may', code: 'DEVICE_LIMIT_EXCEEDED', requestId: 'r1' });
  expect(explain(error('RATE_LIMITED', { retryAfter: 7 })).advice).toBe('Wait 7 seconds, then try again.');
});

test('an unknown code says what the API said', () => {
  expect(explain(error('BRAND_NEW'))).toMatchObject({ title: 'Said by the API.', code: 'BRAND_NEW' });
});

test('errors of fields come through', () => {
  expect(explain(error('VALIDATION_FAILED', { errors: { email: ['Wrong.'] } })).fields).toEqual({ email: ['Wrong.'] });
});

test('what is no error of the SDK is told as it is', () => {
  expect(explain(new TypeError('Broken'))).toMatchObject({ advice: 'Broken', code: null, fields: {} });
});
