/**
 * `node relay.mjs FROM TO`: hands on whatever connects to FROM to TO, each a port of 127.0.0.1 or the path of a Unix socket.
 * Two of them lead out of a network namespace, since a socket file knows none: the lab's clients reach nothing but the VPN
 * servers, and this is their way to the API.
 */
import { rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';

const [from, to] = process.argv.slice(2).map((end) => (/^\d+$/.test(end) ? { host: '127.0.0.1', port: Number(end) } : { path: end }));

if (from.path) rmSync(from.path, { force: true });
createServer((client) => {
  const server = connect(to);
  client.pipe(server).pipe(client);
  client.on('error', () => server.destroy());
  server.on('error', () => client.destroy());
}).listen(from, () => console.log('listening'));
process.stdin.on('end', () => process.exit()).resume(); // with whoever started it, however that ended
