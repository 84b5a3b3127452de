import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Answer, Exchange } from './canned-api.js';

const { cases } = JSON.parse(readFileSync(new URL('../../../sdk-conformance.json', import.meta.url), 'utf8')) as { cases: { exchanges: Exchange[] }[] };
const good = cases.flatMap(({ exchanges }) => exchanges).filter(({ answer }) => answer.status !== undefined && answer.status < 300 && !answer.cut);
const nothing: Answer = { status: 404, headers: { 'content-type': 'application/problem+json' }, body: { title: 'Nothing is canned.', status: 404, code: 'NOT_FOUND' } };

const template = (path: string) => path.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/, '{id}');
const names = (object: unknown) => Object.keys(object ?? {}).sort().join();

/** The fullest good answer of sdk-conformance.json to a request with the same query's and body's members, or else to any of its like. */
function answerTo(method: string, url: URL, accept: string | undefined, body: unknown): Answer {
  const alike = good.filter(({ expect }) => expect.method === method && template(expect.path) === template(url.pathname) && [undefined, accept].includes(expect.headers?.['accept']));
  const same = alike.filter(({ expect }) => names(expect.query) === names(Object.fromEntries(url.searchParams)) && names(expect.body) === names(body));
  const [fullest = nothing] = (same.length > 0 ? same : alike).map(({ answer }) => answer).sort((a, b) => JSON.stringify(b).length - JSON.stringify(a).length);
  return fullest;
}

/** An API that answers every request as sdk-conformance.json would, whatever came before, and `/ip` with an address. */
export async function anyApi() {
  const requests: string[] = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url!, 'http://x');
    requests.push(`${request.method} ${url.pathname}`);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const sent = Buffer.concat(chunks).toString();
    if (url.pathname === '/ip') return void response.end('198.51.100.11\n');
    const answer = answerTo(request.method!, url, request.headers.accept, sent && JSON.parse(sent));
    const body = answer.body as Record<string, unknown> | undefined;
    // A list that goes on ends with its second page.
    const shown = body && 'next_cursor' in body && url.searchParams.has('cursor') ? { ...body, next_cursor: null } : body;
    response.writeHead(answer.status!, { 'x-request-id': 'req-1', ...(shown && { 'content-type': 'application/json' }), ...answer.headers });
    response.end(shown ? JSON.stringify(shown) : Buffer.from(answer.base64 ?? answer.text ?? '', answer.base64 ? 'base64' : 'utf8'));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}
