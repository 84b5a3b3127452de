import { expect, test } from 'vitest';
import { fileNameOf, piecesOf } from '../../src/wireguard';

const config = `[Interface]
PrivateKey = wMI3bDZxVmDbEUkR2LYYo4bdbGkYdFNRnZk2Zg0nFFw=
Address = 10.8.0.2/32, fd00::2/128
# a comment = with an equals sign

[Peer]
PresharedKey = 5+PCRmWmUVqvRPvjFuZGJHJ8bXRnWGBFTRU2nVwFT1k=
what is <this>
`;

test('the pieces joined are the config', () => {
  expect(piecesOf(config).map((line) => line.map((p) => p.text).join('')).join('\n') + '\n').toBe(config);
});

test('keys that are secret are marked, whole', () => {
  const secrets = piecesOf(config).flat().filter((p) => p.kind === 'secret').map((p) => p.text);
  expect(secrets).toEqual(['wMI3bDZxVmDbEUkR2LYYo4bdbGkYdFNRnZk2Zg0nFFw=', '5+PCRmWmUVqvRPvjFuZGJHJ8bXRnWGBFTRU2nVwFT1k=']);
});

test('each line is what it is', () => {
  expect(piecesOf(config).map((line) => line[0]!.kind)).toEqual(['section', 'name', 'name', 'comment', 'plain', 'section', 'name', 'plain']);
});

test.each([
  ['Laptop', 'laptop.conf'],
  ['Zoë’s MacBook Pro 16', 'zoe-s-macbook-p.conf'],
  ['../../etc/passwd', 'etc-passwd.conf'],
  ['<img src=x onerror=alert(1)>', 'img-src-x-oner.conf'],
  ['日本', 'cvault.conf'],
])('%s is saved as %s', (name, file) => {
  expect(fileNameOf(name)).toBe(file);
});
