import { hostname } from 'node:os';
import { NAME_BYTES } from '../names/linux.js';

/** `stem (conflict HOST YYYY-MM-DD HH.MM.SS).ext`, local time, without a colon; the stem is cut to fit 255 characters. */
export function conflictName(name: string, at: Date, host = hostname()): string {
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 ? name.slice(dot) : '';
  const stem = dot > 0 ? name.slice(0, dot) : name;
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}.${two(at.getMinutes())}.${two(at.getSeconds())}`;
  const suffix = ` (conflict ${host} ${day} ${time})${extension}`;
  const characters = [...stem];
  while (Buffer.byteLength(characters.join('') + suffix) > NAME_BYTES) characters.pop();
  return characters.join('') + suffix;
}
