// Serves the built demo (dist/) on this machine alone: `npm run preview`, and for the browser tests.
import { createServer } from 'node:http';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const folder = fileURLToPath(new URL('dist', import.meta.url));
const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.map': 'application/json',
};

/** The server, listening on 127.0.0.1; port 0 takes a free one. All files are read once, so that no request names a path. */
export async function serve(port) {
  const files = new Map();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set('/' + relative(folder, path).split(sep).join('/'), await readFile(path));
  }
  files.set('/', files.get('/index.html'));
  const server = createServer((request, response) => {
    const path = request.url.split('?')[0];
    const file = request.method === 'GET' || request.method === 'HEAD' ? files.get(path) : undefined;
    response.writeHead(file ? 200 : 404, {
      'Content-Type': (file && types[extname(path === '/' ? '/index.html' : path)]) ?? 'text/plain; charset=utf-8',
      'Content-Security-Policy': "frame-ancestors 'none'", // the one directive that a meta element cannot set
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'Cache-Control': 'no-cache',
    });
    response.end(request.method === 'HEAD' ? undefined : (file ?? 'There is no such file here.'));
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return server;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const server = await serve(Number(process.env.PORT ?? 4173));
  console.log(`CVault web demo: http://127.0.0.1:${server.address().port}/  (Ctrl-C stops it)`);
}
