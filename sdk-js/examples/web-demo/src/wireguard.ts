/** What a piece of a config is, for its colour. */
export type Kind = 'section' | 'name' | 'value' | 'secret' | 'comment' | 'plain';

export interface Piece {
  kind: Kind;
  text: string;
}

/**
 * A config in the form of wg-quick(8), line by line, cut into pieces that joined are the line again: what is shown is what
 * is downloaded. Nothing is refused; what is not understood is `plain`.
 */
export function piecesOf(config: string): Piece[][] {
  return config.replace(/\n$/, '').split('\n').map(piecesOfLine);
}

function piecesOfLine(line: string): Piece[] {
  if (/^\s*#/.test(line)) return [{ kind: 'comment', text: line }];
  if (/^\s*\[.*\]\s*$/.test(line)) return [{ kind: 'section', text: line }];
  const found = /^(\s*\w+)(\s*=\s*)(.*)$/.exec(line);
  if (!found) return [{ kind: 'plain', text: line }];
  const [, key = '', equals = '', value = ''] = found;
  return [
    { kind: 'name', text: key },
    { kind: 'plain', text: equals },
    { kind: /^(PrivateKey|PresharedKey)$/i.test(key.trim()) ? 'secret' : 'value', text: value },
  ];
}

/**
 * A name for the downloaded file that the WireGuard tools take as a tunnel's name: letters, digits and `_=+.-`, at most
 * 15 characters before `.conf`.
 */
export function fileNameOf(deviceName: string): string {
  const plain = deviceName.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return `${plain.slice(0, 15).replace(/^-+|-+$/g, '') || 'cvault'}.conf`;
}
