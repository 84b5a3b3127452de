import { CVaultError, ErrorCode, isCVaultError, type CVaultErrorDetails } from './errors.js';
import { tell, type Logger } from './log.js';
import { isNode } from './platform.js';

/** For one call. */
export interface RequestOptions {
  /** Milliseconds for each attempt. */
  timeout?: number | undefined;

  /** How many more attempts there are after the first. */
  maxRetries?: number | undefined;

  /** Of a call that makes or changes something: the same key and input is done once within 24 hours, and answered the same. Up to 255 characters. */
  idempotencyKey?: string | undefined;

  /** Ends the call; it then throws the signal's reason, an `AbortError` as a rule. */
  signal?: AbortSignal | undefined;
}

/** One call of the API. */
export interface Call<T = unknown> {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  /** What is null or undefined is left out. */
  query?: Record<string, string | number | null | undefined>;
  body?: object;

  /** The media type of the answer. */
  accept?: 'application/json' | 'text/plain' | 'image/png';

  /** What to make of the answer. Where it throws, whatever it throws, the answer was not the API's. */
  read?(answer: unknown): T;

  /** Of a DELETE: the answer where an earlier attempt's was lost and a later one finds nothing left. */
  gone?: object;
  options?: RequestOptions | undefined;
}

/** What a transport is made of. */
export interface TransportSettings {
  baseUrl: string;
  apiKey: string;
  apiSecret?: string | undefined;
  fetch?: typeof fetch | undefined;
  timeout: number;
  maxRetries: number;
  logger?: Logger | undefined;
  userAgent?: string | undefined;
}

/** Seconds of Retry-After that a call waits for. */
const longestWait = 60;

/** Bytes of an answer; the API's are far smaller. */
const longestAnswer = 16_000_000;

/** Milliseconds, about 25 days: what is longer ends at once. */
const longestTimer = 2 ** 31 - 1;

/** Statuses that another attempt may not meet again. */
const transient = [408, 429, 500, 502, 503, 504];

/** Sends calls and reads their answers: credentials, timeouts, retries, errors. The one file that knows HTTP. */
export class Transport {
  readonly #settings: TransportSettings;
  readonly #base: string;

  constructor(settings: TransportSettings) {
    this.#settings = settings;
    this.#base = baseOf(settings.baseUrl);
  }

  /** Names the API and the key among those that share a browser; no secret. */
  get name(): string {
    return `${this.#base} ${this.#settings.apiKey}`;
  }

  /**
   * The answer's body: parsed JSON, text, or bytes. A POST has one idempotency key for all of its attempts.
   * @param token The user's access token, for a call on their behalf.
   */
  async send<T>(call: Call<T>, token?: string): Promise<T> {
    const { signal, maxRetries = this.#settings.maxRetries } = call.options ?? {};
    const headers = this.#headers(call, token);
    let lost = false;
    for (let attempt = 1; ; attempt++) {
      try {
        return (await this.#attempt(call, headers, attempt)) as T;
      } catch (error) {
        if (lost && call.gone && isCVaultError(error) && error.status === 404 && error.code === ErrorCode.NotFound) return call.read!(call.gone);
        if (!isCVaultError(error) || !mayRepeat(error) || attempt > maxRetries || (error.retryAfter ?? 0) > longestWait) throw error;
        const backoff = Math.min(8000, 250 * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
        lost ||= error.status !== 429; // What had too many before it was not done.
        await pause(Math.max(backoff, (error.retryAfter ?? 0) * 1000), signal);
      }
    }
  }

  #headers(call: Call, token: string | undefined): Record<string, string> {
    const { apiKey, apiSecret, userAgent } = this.#settings;
    const headers: Record<string, string> = { Accept: call.accept ?? 'application/json', 'X-API-Key': apiKey };
    if (apiSecret !== undefined) headers['X-API-Secret'] = apiSecret;
    if (token !== undefined) headers['Authorization'] = `Bearer ${token}`;
    if (call.body) headers['Content-Type'] = 'application/json';
    if (call.method === 'POST') headers['Idempotency-Key'] = call.options?.idempotencyKey ?? newIdempotencyKey();
    // Browsers' preflights would refuse it.
    if (isNode()) headers['User-Agent'] = `cvault-sdk-js/${version}${userAgent ? ' ' + userAgent : ''}`;
    for (const [name, value] of Object.entries(headers)) {
      // fetch would say so too, with the value in its message: a secret, as likely as not.
      if (!/^[\x20-\x7e]+$/.test(value)) throw new CVaultError(ErrorCode.ValidationFailed, `${name} has characters that no header can have.`, { errors: { [name]: ['Printable ASCII only.'] } });
    }

    return headers;
  }

  async #attempt(call: Call, headers: Record<string, string>, attempt: number): Promise<unknown> {
    const { timeout = this.#settings.timeout, signal } = call.options ?? {};
    signal?.throwIfAborted();
    const stop = new AbortController();
    const abort = () => stop.abort();
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      stop.abort();
    }, Math.min(timeout, longestTimer));
    signal?.addEventListener('abort', abort);
    const started = Date.now();
    let answer: Response | undefined;
    let failure: string | undefined;
    try {
      answer = await (this.#settings.fetch ?? globalThis.fetch)(this.#urlOf(call), {
        method: call.method,
        headers,
        body: call.body ? JSON.stringify(call.body) : null,
        // Followed, it would carry the keys elsewhere.
        redirect: 'manual',
        credentials: 'omit',
        cache: 'no-store',
        signal: stop.signal,
      });
      return await read(answer, call);
    } catch (error) {
      if (signal?.aborted) {
        failure = 'ABORTED';
        throw signal.reason;
      }

      const thrown = isCVaultError(error) ? error : new CVaultError(ErrorCode.NetworkError, timedOut ? `The API did not answer within ${timeout} ms.` : 'The API cannot be reached.', { timedOut, cause: error });
      failure = thrown.code;
      throw thrown;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      tell(this.#settings.logger, {
        method: call.method, path: call.path, attempt, ms: Date.now() - started,
        status: answer?.status ?? 0, requestId: answer?.headers.get('X-Request-Id') ?? null, ...(failure && { error: failure }),
      });
    }
  }

  #urlOf({ path, query = {} }: Call): string {
    const pairs = Object.entries(query).flatMap(([name, value]) => (value == null ? [] : [[name, String(value)]]));
    return this.#base + path + (pairs.length > 0 ? '?' + new URLSearchParams(pairs) : '');
  }
}

/** The package's version, as it names itself to the API. */
export const version = '0.1.0';

/** A UUID; not by `crypto.randomUUID`, which pages of plain http do not have. */
export const newIdempotencyKey = () =>
  '10000000-1000-4000-8000-100000000000'.replace(/[018]/g, digit => (+digit ^ (crypto.getRandomValues(new Uint8Array(1))[0]! & (15 >> (+digit / 4)))).toString(16));

/** Waits for something that others wait for too, until the caller's own signal ends the wait. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promise;
  signal.throwIfAborted();
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', (abort = () => reject(signal.reason))));
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await abortable(new Promise<void>(resolve => (timer = setTimeout(resolve, ms))), signal);
  } finally {
    clearTimeout(timer);
  }
}

/** Nothing is done twice by it: a POST has its idempotency key, and the API's DELETEs end what they end once. */
function mayRepeat({ code, status, retryAfter }: CVaultError): boolean {
  // Conflict: the first request with this idempotency key is still under way; other conflicts come without Retry-After.
  return code === ErrorCode.NetworkError || transient.includes(status) || (code === ErrorCode.Conflict && retryAfter !== null);
}

async function read(answer: Response, call: Call): Promise<unknown> {
  const accept = call.accept ?? 'application/json';
  const type = answer.headers.get('Content-Type') ?? '';
  const problem = /^application\/(problem\+)?json/;
  const bytes = await bytesOf(answer);
  if (answer.ok && type.startsWith(accept)) {
    if (accept === 'image/png') return bytes;
    const text = new TextDecoder().decode(bytes);
    const value = accept === 'text/plain' ? text : parse(text);
    try {
      if (value !== undefined) return call.read ? call.read(value) : value;
    } catch {
      // Half an answer is none.
    }
  }

  throw errorOf(answer, !answer.ok && problem.test(type) ? parse(new TextDecoder().decode(bytes)) : undefined);
}

/** All of the body, wanted or not: the connection is then free for the next request. But none without an end. */
async function bytesOf(answer: Response): Promise<Uint8Array<ArrayBuffer>> {
  const reader = answer.body?.getReader?.();
  if (!reader) return new Uint8Array(await answer.arrayBuffer()); // Some platforms have no streams.
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    parts.push(value);
    if ((length += value.length) <= longestAnswer) continue;
    void reader.cancel().catch(() => {});
    throw new CVaultError(ErrorCode.UnexpectedAnswer, 'The answer is longer than any of the API\'s.', { status: answer.status, requestId: answer.headers.get('X-Request-Id') });
  }
}

/** Undefined for what is no JSON object. */
function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** The error that an answer is, by its problem (RFC 9457) if it has one. */
function errorOf(answer: Response, problem: Record<string, unknown> | undefined): CVaultError {
  const { status, headers } = answer;
  const details: CVaultErrorDetails = { status, requestId: headers.get('X-Request-Id'), retryAfter: retryAfterOf(headers.get('Retry-After')) };
  if (typeof problem?.['code'] !== 'string') {
    const code = status === 503 ? ErrorCode.ServiceUnavailable : status === 429 ? ErrorCode.RateLimited : ErrorCode.UnexpectedAnswer;
    return new CVaultError(code, answer.type === 'opaqueredirect' || (status >= 300 && status < 400) ? 'The answer is a redirect, which is not followed: is baseUrl right?' : `The answer (${status}) is not the API's.`, details);
  }

  if (typeof problem['request_id'] === 'string') details.requestId = problem['request_id'];
  if (problem['errors'] && typeof problem['errors'] === 'object') details.errors = problem['errors'] as Record<string, string[]>;
  return new CVaultError(problem['code'], [problem['detail'], problem['title']].find(text => typeof text === 'string') ?? problem['code'], details);
}

/** Seconds (RFC 9110, 10.2.3); null without any. */
function retryAfterOf(value: string | null): number | null {
  if (!value) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.ceil((Date.parse(value) - Date.now()) / 1000);
  return Number.isNaN(seconds) ? null : Math.max(0, seconds);
}

/** Without a slash at its end. Keys and tokens go over https, or stay on this machine. */
function baseOf(baseUrl: string): string {
  let url: URL;
  try {
    url = new URL(baseUrl);
  } catch {
    throw new TypeError('baseUrl must be a URL, such as https://api.example.com.');
  }

  const { protocol, hostname } = url;
  const loopback = hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
  if (protocol !== 'https:' && !(protocol === 'http:' && loopback)) throw new TypeError('baseUrl must begin with https:// (http:// only for this machine).');
  if (url.username || url.password || url.search || url.hash) throw new TypeError('baseUrl must be without credentials, query and fragment.');
  return (url.origin + url.pathname).replace(/\/+$/, '');
}
