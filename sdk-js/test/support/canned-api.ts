import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a request must be. The whole of it is explained at the top of sdk-conformance.json. */
export interface Expectation {
  method: string;
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  absent?: string[];
  body?: unknown;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
  text?: string;
  base64?: string;
  delay_ms?: number;
  after_step?: number;
  drop?: true;
  cut?: true;
}

export interface Exchange {
  expect: Expectation;
  answer: Answer;
  times?: number;
  hold?: boolean;
}

/** A request as it arrived. */
export interface Arrived {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  text: string;
}

/** An API that expects its exchanges in order and answers what is canned. Listens on loopback. */
export class CannedApi implements AsyncDisposable {
  readonly arrived: Arrived[] = [];
  readonly failures: string[] = [];
  readonly #server: Server;
  readonly #exchanges: Exchange[];
  #at = 0;
  #inThis = 0;
  readonly #headers: IncomingMessage['headers'][] = [];
  #held: (() => void)[] = [];
  readonly #ended = new Set<number>();

  private constructor(exchanges: Exchange[]) {
    this.#exchanges = exchanges;
    this.#server = createServer((request, response) => void this.#take(request, response));
    this.#server.keepAliveTimeout = 60_000;
  }

  static async start(exchanges: Exchange[] = []): Promise<CannedApi> {
    const api = new CannedApi(exchanges);
    await new Promise<void>(resolve => api.#server.listen(0, '127.0.0.1', resolve));
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Waits until so many requests have arrived. */
  async haveArrived(count: number): Promise<void> {
    while (this.arrived.length < count) await sleep(5);
  }

  /** Lets go of the answers that wait for this step. */
  stepEnded(step: number): void {
    this.#ended.add(step);
  }

  /** What went wrong, and what never came. */
  verdict(): string[] {
    const missing = this.#exchanges.slice(this.#at).map(({ expect, times = 1 }, i) => `missing: ${i === 0 ? times - this.#inThis : times} x ${expect.method} ${expect.path}`);
    return [...this.failures, ...missing];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const arrived = { method: request.method!, url: request.url!, headers: request.headers, text: Buffer.concat(chunks).toString() };
    this.arrived.push(arrived);
    const exchange = this.#exchanges[this.#at];
    const wrong = exchange ? differences(exchange.expect, arrived, this.#headers) : ['nothing was expected'];
    if (!exchange || wrong.length > 0) {
      this.failures.push(`request ${this.arrived.length}, ${arrived.method} ${arrived.url}: ${wrong.join('; ')}`);
      response.writeHead(400, { 'content-type': 'application/problem+json' }).end('{"title":"Not what the case expects.","status":400,"code":"UNEXPECTED_REQUEST"}');
      return;
    }

    const { times = 1, hold, answer } = exchange;
    const last = ++this.#inThis === times;
    if (last) {
      this.#at++;
      this.#inThis = 0;
      this.#headers.push(request.headers);
    }

    if (hold && !last) await new Promise<void>(resolve => this.#held.push(resolve));
    this.#held.splice(0).forEach(go => go());
    if (answer.delay_ms) await sleep(answer.delay_ms, undefined, { ref: false });
    while (answer.after_step !== undefined && !this.#ended.has(answer.after_step)) await sleep(5, undefined, { ref: false });
    give(answer, request, response);
  }
}

function differences(expected: Expectation, { method, url, headers, text }: Arrived, earlier: IncomingMessage['headers'][]): string[] {
  const wrong: string[] = [];
  const { pathname, searchParams } = new URL(url, 'http://x');
  if (method !== expected.method || pathname !== expected.path) wrong.push(`expected ${expected.method} ${expected.path}`);
  const query = Object.fromEntries(searchParams);
  if (expected.query && !same(query, expected.query)) wrong.push(`query ${JSON.stringify(query)}, not ${JSON.stringify(expected.query)}`);
  for (const [name, value] of Object.entries(expected.headers ?? {})) {
    const is = headers[name];
    const [word, number = earlier.length - 1] = value.split(' ');
    const then = earlier[Number(number)]?.[name];
    const right = value === '*' ? !!is : word === 'same' ? !!is && is === then : value === 'new' ? !!is && is !== then : is === value;
    if (!right) wrong.push(`${name} is ${String(is)}, not ${value}`);
  }

  for (const name of expected.absent ?? []) if (headers[name] !== undefined) wrong.push(`${name} is there`);
  if (expected.body !== undefined && !same(text === '' ? undefined : JSON.parse(text), expected.body)) wrong.push(`body ${text}, not ${JSON.stringify(expected.body)}`);
  return wrong;
}

function give(answer: Answer, request: IncomingMessage, response: ServerResponse): void {
  if (answer.drop) return void request.socket.destroy();
  const json = answer.body !== undefined;
  const bytes = json ? Buffer.from(JSON.stringify(answer.body)) : Buffer.from(answer.base64 ?? answer.text ?? '', answer.base64 ? 'base64' : 'utf8');
  response.writeHead(answer.status ?? 200, { ...(json && { 'content-type': 'application/json' }), 'content-length': bytes.length + (answer.cut ? 100 : 0), ...answer.headers });
  if (answer.cut) response.write(bytes, () => request.socket.destroy());
  else response.end(bytes);
}

/** Equal as JSON, whatever the order of members. */
export function same(a: unknown, b: unknown): boolean {
  const sorted = (value: unknown): unknown =>
    Array.isArray(value) ? value.map(sorted) : value !== null && typeof value === 'object' ? Object.fromEntries(Object.entries(value).sort(([x], [y]) => (x < y ? -1 : 1)).map(([k, v]) => [k, sorted(v)])) : value;
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}
