import { expect, test } from 'vitest';
import { bytes, since } from '../../src/format';
import { hrefOf, parseRoute } from '../../src/route';

test.each([[0, '0 B'], [999, '999 B'], [1000, '1.0 kB'], [1_500_000, '1.5 MB'], [999_999, '1.0 MB'], [2_000_000_000_000, '2.0 TB'], [9e18, '9000.0 PB']])('%d bytes are %s', (count, text) => {
  expect(bytes(count)).toBe(text);
});

test.each([[-5, '0 s'], [59, '59 s'], [60, '1 min'], [3 * 3600 + 300, '3 h 5 min'], [52 * 3600, '2 d 4 h']])('%d seconds are %s', (seconds, text) => {
  expect(since('2026-03-01T00:00:00Z', Date.parse('2026-03-01T00:00:00Z') + seconds * 1000)).toBe(text);
});

test('a route is a screen, and a device only under devices', () => {
  const id = '01936f1e-7a5c-7000-8000-000000000000';
  expect(parseRoute(hrefOf('devices', id))).toEqual({ screen: 'devices', deviceId: id });
  expect(parseRoute(`#usage/${id}`)).toEqual({ screen: 'usage', deviceId: null });
  expect(parseRoute('#devices/../x')).toEqual({ screen: 'devices', deviceId: null });
  expect(parseRoute('#nothing')).toEqual({ screen: 'connection', deviceId: null });
  expect(parseRoute('')).toEqual({ screen: 'connection', deviceId: null });
});
