import { expect, it } from 'vitest';
import { clientOf, json, problem, thrown } from './support/clients.js';

const server = (id: string) => ({ id, region: 'us-east', load: 1, available: true, simulated: false });

/** Three pages of one server each. */
function three() {
  const asked: (string | null)[] = [];
  const cvault = clientOf('https://api.example.com', { fetch: async url => {
    const cursor = new URL(String(url)).searchParams.get('cursor');
    asked.push(cursor);
    const at = Number(cursor ?? 0);
    return json({ servers: [server(`s${at}`)], next_cursor: at < 2 ? String(at + 1) : null });
  } });
  return { cvault, asked };
}

it('asks for nothing until somebody wants it, and then once', async () => {
  const { cvault, asked } = three();
  const list = cvault.servers.list();
  expect(asked).toEqual([]);
  expect(await list).toBe(await list);
  expect(asked).toEqual([null]);
});

it('is walked over all pages, each fetched when it is needed', async () => {
  const { cvault, asked } = three();
  const seen: string[] = [];
  for await (const { id } of cvault.servers.list()) {
    seen.push(id);
    expect(asked.length).toBe(seen.length);
  }

  expect(seen).toEqual(['s0', 's1', 's2']);
});

it('may be left early', async () => {
  const { cvault, asked } = three();
  for await (const { id } of cvault.servers.list()) if (id === 's1') break;
  expect(asked).toEqual([null, '1']);
});

it('begins where it is told to', async () => {
  const { cvault } = three();
  const seen: string[] = [];
  for await (const { id } of cvault.servers.list({ cursor: '1' })) seen.push(id);
  expect(seen).toEqual(['s1', 's2']);
});

it('goes on by the cursor of a page', async () => {
  const { cvault } = three();
  const first = await cvault.servers.list();
  const second = await cvault.servers.list({ cursor: first.nextCursor });
  expect([first.servers[0]!.id, second.servers[0]!.id]).toEqual(['s0', 's1']);
});

it('has the methods of a promise', async () => {
  const failing = () => clientOf('https://api.example.com', { fetch: async () => problem(403, 'FORBIDDEN') }).servers.list();
  expect(await thrown(failing())).toMatchObject({ code: 'FORBIDDEN' });
  expect(await failing().catch((error: unknown) => (error as Error).name)).toBe('CVaultError');
  let ended = 0;
  await thrown(failing().finally(() => void ended++));
  await three().cvault.servers.list().finally(() => void ended++);
  expect(ended).toBe(2);
});
