// Reduces the API's OpenAPI document to what the SDK uses, and makes src/openapi.ts of that.
//
//   node scripts/openapi.mjs DOCUMENT          DOCUMENT (a file or URL) -> openapi.json -> src/openapi.ts
//   node scripts/openapi.mjs --generate        openapi.json -> src/openapi.ts
//   node scripts/openapi.mjs --check DOCUMENT  ends with 1 if openapi.json says another thing than DOCUMENT
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import openapiTS, { astToString } from 'openapi-typescript';

const file = name => fileURLToPath(new URL('../' + name, import.meta.url));

/** The operations behind the SDK's calls. */
export const operations = {
  '/api/v1/auth/register': ['post'],
  '/api/v1/auth/verify': ['post'],
  '/api/v1/auth/login': ['post'],
  '/api/v1/auth/external': ['post'],
  '/api/v1/auth/oidc': ['post'],
  '/api/v1/auth/refresh': ['post'],
  '/api/v1/auth/logout': ['post'],
  '/api/v1/auth/password': ['post'],
  '/api/v1/auth/password/forgot': ['post'],
  '/api/v1/auth/password/reset': ['post'],
  '/api/v1/devices': ['get', 'post'],
  '/api/v1/devices/{deviceId}': ['get', 'delete'],
  '/api/v1/devices/{deviceId}/config': ['get'],
  '/api/v1/devices/{deviceId}/rotate-key': ['post'],
  '/api/v1/servers': ['get'],
  '/api/v1/vpn/connect': ['post'],
  '/api/v1/vpn/disconnect': ['post'],
  '/api/v1/vpn/status': ['get'],
  '/api/v1/usage': ['get'],
  '/api/v1/users': ['get'],
  '/api/v1/users/{userId}': ['get', 'delete'],
};

/** The operations of the SDK with the schemas that they name. The problems are all alike, so each status keeps its code alone. */
export function reduce(document) {
  const paths = {};
  const needed = new Set();
  for (const [path, methods] of Object.entries(operations)) {
    paths[path] = {};
    for (const method of methods) {
      const operation = document.paths[path]?.[method];
      if (!operation) throw new Error(`The document has no ${method.toUpperCase()} ${path}.`);
      const { operationId, parameters, requestBody, security, responses } = operation;
      const good = Object.fromEntries(Object.entries(responses).filter(([status]) => status < '300'));
      paths[path][method] = { operationId, ...(parameters && { parameters }), ...(requestBody && { requestBody }), security, responses: good };
      collect(paths[path][method], needed);
    }
  }

  for (const name of needed) collect(document.components.schemas[name], needed); // A Set grows while it is walked.
  const schemas = Object.fromEntries([...needed].sort().map(name => [name, document.components.schemas[name]]));
  const { title, version } = document.info;
  return { openapi: document.openapi, info: { title, version }, paths, components: { schemas, securitySchemes: pick(document.components.securitySchemes, ['api_key', 'api_secret', 'user_token']) } };
}

/** TypeScript of a reduced document. */
export async function generate(document) {
  const nodes = await openapiTS(structuredClone(document), { alphabetize: true });
  return `// Made by scripts/openapi.mjs of openapi.json. Do not edit.\n${astToString(nodes)}`;
}

function collect(node, needed) {
  if (node === null || typeof node !== 'object') return;
  if (typeof node.$ref === 'string') needed.add(node.$ref.replace('#/components/schemas/', ''));
  for (const value of Object.values(node)) collect(value, needed);
}

const pick = (object, names) => Object.fromEntries(names.map(name => [name, object[name]]));

async function read(source) {
  if (!/^https?:/.test(source)) return JSON.parse(readFileSync(source, 'utf8'));
  const answer = await fetch(source);
  if (!answer.ok) throw new Error(`${source} answered ${answer.status}.`);
  return await answer.json();
}

async function main([first, second]) {
  const committed = file('openapi.json');
  if (first === '--check') {
    if (isDeepStrictEqual(reduce(await read(second)), await read(committed))) return console.log('openapi.json says what the API says.');
    console.error('The API has changed: run `npm run openapi -- DOCUMENT`, then see what the SDK has to learn.');
    process.exitCode = 1;
    return;
  }

  if (first !== '--generate') writeFileSync(committed, JSON.stringify(reduce(await read(first)), null, 2) + '\n');
  writeFileSync(file('src/openapi.ts'), await generate(await read(committed)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
