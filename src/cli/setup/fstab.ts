import { chmodSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { errnoOf, Failure } from '../../base/errors.js';

/** A line of fstab(5). */
export const fstabLine = (source: string, mountpoint: string, options: readonly string[]): string =>
  [escaped(source), escaped(mountpoint), 'procorefs', options.map(escaped).join(','), '0', '0'].join(' ');

/** fstab(5) needs white space, backslashes and `#` as octal escapes. */
const escaped = (text: string): string =>
  text.replace(/[\s\\#]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);

/** Adds a line, or replaces our line for the mount point. @throws Failure `usage` if another entry uses it */
export function putFstabLine(file: string, line: string): void {
  const [, mountpoint] = line.split(' ');
  const lines = before(file).split('\n');
  const at = lines.findIndex((one) => one.trim().split(/\s+/)[1] === mountpoint && !one.trim().startsWith('#'));
  if (at >= 0 && lines[at]!.trim().split(/\s+/)[2] !== 'procorefs')
    throw new Failure('usage', { what: `${file} has another line for ${mountpoint}` });
  if (at >= 0) lines[at] = line;
  else lines.splice(lines.at(-1) === '' ? lines.length - 1 : lines.length, 0, line);
  const text = lines.join('\n');
  const temporary = `${file}.procorefs-${process.pid}`;
  try {
    writeFileSync(temporary, text.endsWith('\n') ? text : `${text}\n`);
    chmodSync(temporary, modeOf(file));
    renameSync(temporary, file);
  } catch (error) {
    throw new Failure('install-denied', { path: file }, error);
  }
}

function before(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw new Failure('install-denied', { path: file }, error);
  }
}

function modeOf(file: string): number {
  try {
    return statSync(file).mode & 0o777;
  } catch {
    return 0o644;
  }
}
