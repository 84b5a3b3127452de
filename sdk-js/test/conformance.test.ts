import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import CVault, { isCVaultError, memoryStorage, type CVaultError } from '../src/index.js';
import { CannedApi, type Exchange } from './support/canned-api.js';

/** The list that both SDKs pass: its first lines say what its members mean. */
const { cases } = JSON.parse(readFileSync(new URL('../../sdk-conformance.json', import.meta.url), 'utf8')) as { cases: Case[] };

interface Case {
  name: string;
  client: 'user' | 'server';
  session: { user_id: string; access_token: string; refresh_token: string; expires_in: number } | null;
  steps: Step[];
  exchanges: Exchange[];
  after?: { session: object | null };
  events?: string[];
}

interface Step {
  call: string;
  args?: Record<string, unknown>;
  options?: Record<string, unknown>;
  result?: unknown;
  error?: Record<string, unknown>;
  parallel?: number;
  background?: boolean;
  when_arrived?: number;
  at_least_ms?: number;
}

describe('sdk-conformance.json', () => {
  it.concurrent.each(cases)('$name', async ({ client, session, steps, exchanges, after, events }) => {
    await using api = await CannedApi.start(exchanges);
    const storage = memoryStorage();
    if (session) await storage.set({ userId: session.user_id, accessToken: session.access_token, refreshToken: session.refresh_token, expiresAt: Date.now() + session.expires_in * 1000 });
    const cvault = new CVault({ baseUrl: api.url, storage, ...(client === 'server' ? { apiKey: 'cvk_test', apiSecret: 'cvs_test' } : { apiKey: 'cvp_test' }) });
    const raised: string[] = [];
    for (const name of ['connected', 'disconnected', 'error'] as const) cvault.on(name, () => raised.push(name));

    const wrong: string[] = [];
    const running: Promise<void>[] = [];
    for (const [i, step] of steps.entries()) {
      if (step.when_arrived) await api.haveArrived(step.when_arrived);
      const all = Promise.all(Array.from({ length: step.parallel ?? 1 }, async () => wrong.push(...(await run(cvault, step))))).then(() => api.stepEnded(i));
      running.push(all);
      if (!step.background) await all;
    }

    await Promise.all(running);
    if (after) wrong.push(...missing(after.session, snake(await storage.get()), 'after.session'));
    if (events) wrong.push(...missing(events, raised, 'events'));
    expect([...wrong, ...api.verdict()]).toEqual([]);
  });
});

async function run(cvault: CVault, step: Step): Promise<string[]> {
  const started = Date.now();
  let wrong: string[];
  try {
    const result = snake(await call(cvault, step));
    wrong = step.error ? [`${step.call} gave ${JSON.stringify(result)}, no error`] : step.result === undefined ? [] : missing(step.result, result, step.call);
  } catch (error) {
    if (!isCVaultError(error)) throw error;
    wrong = step.error ? missing(step.error, membersOf(error), step.call) : [`${step.call} threw ${JSON.stringify(membersOf(error))}`];
  }

  const took = Date.now() - started;
  return took < (step.at_least_ms ?? 0) ? [...wrong, `${step.call} took ${took} ms only`] : wrong;
}

/** `devices.rotate_key` with `{ id, public_key }` is `cvault.devices.rotateKey(id, { publicKey })`. */
async function call(cvault: CVault, { call, args = {}, options = {} }: Step): Promise<unknown> {
  const [resource, name] = camelName(call).split('.') as [keyof CVault, string];
  const { id, ...rest } = camelKeys(args);
  const { timeoutMs, ...others } = camelKeys(options);
  const request = { ...others, ...(timeoutMs !== undefined && { timeout: timeoutMs }) };
  const method = name.replace(/All$/, '');
  const takesInput = !['get', 'remove', 'config', 'configText', 'configQr', 'logout', 'session'].includes(method) || resource === 'usage';
  const target = cvault[resource] as unknown as Record<string, (...args: unknown[]) => unknown>;
  const result = target[method]!(...(id === undefined ? [] : [id]), ...(takesInput ? [rest] : []), request);
  if (method === name) return await (result as Promise<unknown>);
  const items: unknown[] = [];
  for await (const item of result as AsyncIterable<unknown>) items.push(item);
  return items;
}

const membersOf = (error: CVaultError) => ({
  code: error.code, status: error.status, message: error.message, request_id: error.requestId, errors: error.errors, retry_after: error.retryAfter, timed_out: error.timedOut,
});

/** What of the expected is not so: a subset of members, but whole arrays. */
function missing(expected: unknown, actual: unknown, at: string): string[] {
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return [`${at}: ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`];
    return expected.flatMap((item, i) => missing(item, actual[i], `${at}[${i}]`));
  }

  if (expected !== null && typeof expected === 'object') {
    if (actual === null || typeof actual !== 'object') return [`${at}: ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`];
    if (Object.keys(expected).length === 0) return Object.keys(actual).length === 0 ? [] : [`${at}: ${JSON.stringify(actual)} is not empty`];
    return Object.entries(expected).flatMap(([name, value]) => missing(value, (actual as Record<string, unknown>)[name], `${at}.${name}`));
  }

  return Object.is(expected, actual) ? [] : [`${at}: ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`];
}

function snake(value: unknown): unknown {
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map(snake);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name.replace(/[A-Z]/g, letter => '_' + letter.toLowerCase()), snake(member)]));
}

const camelName = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
const camelKeys = (object: Record<string, unknown>) => Object.fromEntries(Object.entries(object).map(([name, value]) => [camelName(name), value]));
