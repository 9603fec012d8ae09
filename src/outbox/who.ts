import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { oneLine } from '../base/text.js';

/** Lines of passwd(5) begin `name:password:uid:`. Users that only a directory service knows appear by number. */
const PASSWD = '/etc/passwd';
const names = new Map<number, string>();

/** Local user and host, for the notes of versions and the list of uploads: `anna on nas1`. */
export function who(uid: number): string {
  let text = names.get(uid);
  if (text === undefined) {
    text = `${lookUp(uid) ?? `uid ${uid}`} on ${hostname()}`;
    names.set(uid, text);
  }
  return text;
}

function lookUp(uid: number): string | undefined {
  let text: string;
  try {
    text = readFileSync(PASSWD, 'utf8');
  } catch {
    // A system without the file has numbers only.
    return undefined;
  }
  const line = text.split('\n').find((one) => one.split(':')[2] === String(uid));
  return line && oneLine(line.split(':')[0]!, 64);
}
