// The README's examples, extracted and run. By itself: against the live API of CVAULT_URL, with the keys of its demo.env.
//
//   ```js            runs after the prelude, in a function of its own; what it logs first has the shape of the ```json that follows
//   ```js canned     the same, but not live: it needs a token of a mail, or the like
//   ```js prelude    what the examples go on from
//   ```js quickstart a whole program
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The README's blocks of code: what stands behind the backticks, the text, its line, and the JSON that follows it. */
export function blocks() {
  const text = readFileSync(join(root, 'README.md'), 'utf8');
  const found = [...text.matchAll(/^```(\w+)(?: (\w+))?\n(.*?)^```$/gms)].map(match => ({ language: match[1], kind: match[2] ?? 'example', code: match[3], line: text.slice(0, match.index).split('\n').length, end: match.index + match[0].length, start: match.index }));
  return found.filter(block => block.language === 'js').map(block => {
    const next = found[found.indexOf(block) + 1];
    const follows = next?.language === 'json' && text.slice(block.end, next.start).trim() === '';
    return { kind: block.kind, code: block.code, line: block.line, ...(follows && { json: JSON.parse(next.code) }) };
  });
}

/** The one block of a kind. */
export const blockOf = kind => blocks().find(block => block.kind === kind).code;

/** A program that runs examples one after the other and prints, as JSON, what each of them logged. */
export function program(examples) {
  const prelude = blockOf('prelude');
  const imports = prelude.match(/^import .*$/gm).join('\n');
  const setup = prelude.replace(/^import .*$/gm, '');
  const functions = examples.map(({ line, code }) => `await example(${line}, async console => {\n${setup}\n${code}\n});`);
  return `${imports}
const said = [];
async function example(line, run) {
  const logged = [];
  try {
    await run({ log: value => void logged.push(value ?? null) });
    said.push({ line, logged });
  } catch (error) {
    said.push({ line, logged, error: String(error) + ' ' + JSON.stringify(error.errors ?? {}) });
  }
}
${functions.join('\n')}
process.stdout.write(JSON.stringify(said));
`;
}

/** What is wrong with what the examples logged, against the JSON in the README: names and kinds of members, not their values. */
export function differences(examples, said, live) {
  return examples.flatMap(({ line, json }, i) => {
    const { logged, error } = said[i];
    if (error) return [`README.md:${line}: ${error}`];
    if (json === undefined || (live && logged.length === 0)) return [];
    return shape(json, logged[0], '').map(wrong => `README.md:${line}: ${wrong}`);
  });

  function shape(documented, actual, at) {
    if (documented === null || actual === null) return live || documented === actual ? [] : [`${at || 'the whole'} is ${JSON.stringify(actual)}`];
    if (Array.isArray(documented)) return !Array.isArray(actual) ? [`${at} is no list`] : live && actual.length === 0 ? [] : shape(documented[0], actual[0], `${at}[0]`);
    if (typeof documented !== 'object') return typeof documented === typeof actual ? [] : [`${at} is ${JSON.stringify(actual)}`];
    const [told, is] = [Object.keys(documented).sort().join(), Object.keys(actual ?? {}).sort().join()];
    return told === is ? Object.keys(documented).flatMap(name => shape(documented[name], actual[name], `${at}.${name}`)) : [`${at || 'it'} has ${is}, not ${told}`];
  }
}

async function main() {
  const examples = blocks().filter(block => block.kind === 'example');
  const folder = mkdtempSync(join(tmpdir(), 'cvault-readme-'));
  try {
    mkdirSync(join(folder, 'node_modules/@cvault'), { recursive: true });
    symlinkSync(root, join(folder, 'node_modules/@cvault/sdk-js'));
    writeFileSync(join(folder, 'readme.mjs'), program(examples));
    const wrong = differences(examples, JSON.parse(execFileSync(process.execPath, ['readme.mjs'], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })), true);
    console.log([...wrong, `${examples.length - wrong.length} of ${examples.length} examples run live`].join('\n'));
    if (wrong.length > 0) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
