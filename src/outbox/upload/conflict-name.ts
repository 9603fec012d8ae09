import { hostname } from 'node:os';
import type { Clock } from '../../base/clock.js';
import type { Inode } from '../../base/ids.js';
import { NAME_BYTES } from '../../names/linux.js';
import type { Tree } from '../tree/tree.js';

/**
 * Matches an extension as programs use it, but not the rest of a sentence, nor the end of an earlier conflict suffix.
 */
const WITH_EXTENSION = /^(.+)(\.[^.\s()]{1,32})$/su;

/** `stem (conflict HOST YYYY-MM-DD HH.MM.SS).ext`, local time, without a colon; the stem is cut to fit `NAME_BYTES`. */
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

/** Whether this is the name of a conflict copy. */
export const isConflictName = (name: string): boolean => CONFLICT.test(name);

/** The first conflict name that is free. Several conflicts within one second get the times of the following seconds. */
export function freeConflictName(name: string, at: number, isTaken: (name: string) => boolean): string {
  for (let time = at; ; time += 1000) {
    const found = conflictName(name, new Date(time));
    if (!isTaken(found)) return found;
  }
}

/** A conflict name that no item in the folder has, as far as is known here. */
export function nameBeside(
  name: string,
  folder: Inode,
  { tree, clock }: { readonly tree: Tree; readonly clock: Clock },
): string {
  const item = tree.item(folder);
  return freeConflictName(name, clock.now(), (one) => item !== undefined && tree.child(item, one) !== undefined);
}
