import { hostname } from 'node:os';
import type { Clock } from '../../base/clock.js';
import type { Inode } from '../../base/ids.js';
import { NAME_BYTES } from '../../names/linux.js';
import type { Tree } from '../tree/tree.js';

/** What programs go by: not the rest of a sentence, nor the end of what another conflict put there. */
const WITH_EXTENSION = /^(.+)(\.[^.\s()]{1,32})$/su;

/** `stem (conflict HOST YYYY-MM-DD HH.MM.SS).ext`, local time, without a colon; the stem is cut to fit 255 characters. */
export function conflictName(name: string, at: Date, host = hostname()): string {
  const [, stem = name, extension = ''] = WITH_EXTENSION.exec(name) ?? [];
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}.${two(at.getMinutes())}.${two(at.getSeconds())}`;
  const suffix = ` (conflict ${host} ${day} ${time})${extension}`;
  const characters = [...stem];
  while (Buffer.byteLength(characters.join('') + suffix) > NAME_BYTES) characters.pop();
  return characters.join('') + suffix;
}

const CONFLICT = / \(conflict \S.* \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\)(?:\.[^.\s()]{1,32})?$/su;

/** Whether something was kept under this name beside another one. */
export const isConflictName = (name: string): boolean => CONFLICT.test(name);

/** The first that nothing has: where several conflicts come in one second, the others' are of the next ones. */
export function freeConflictName(name: string, at: number, isTaken: (name: string) => boolean): string {
  for (let time = at; ; time += 1000) {
    const found = conflictName(name, new Date(time));
    if (!isTaken(found)) return found;
  }
}

/** A conflict's name that nothing in the folder has, as far as is known here. */
export function nameBeside(
  name: string,
  folder: Inode,
  { tree, clock }: { readonly tree: Tree; readonly clock: Clock },
): string {
  const item = tree.item(folder);
  return freeConflictName(name, clock.now(), (one) => item !== undefined && tree.child(item, one) !== undefined);
}
