import { makeEncoding } from './encoding.js';

/** NAME_MAX, <linux/limits.h>: bytes of one name. */
export const NAME_BYTES = 255;

/** A folder that can be opened by name in every mount and is never listed. */
export const META_FOLDER = '.procore';

/** The form of a remote name on Linux: only what a directory entry cannot hold is changed. */
export const linuxNames = makeEncoding({
  characters: { '/': '\uff0f', '\0': '\u2400' },
  names: { '': '\u2205', '.': '\uff0e', '..': '\uff0e\uff0e', [META_FOLDER]: '\uff0eprocore' },
});

/** `stem (id).ext`: distinguishes items whose names collide or are too long. At most 255 bytes. */
export function suffixedName(name: string, id: number): string {
  const dot = name.lastIndexOf('.');
  const hasExtension = dot > 0 && Buffer.byteLength(name.slice(dot)) <= 32;
  const extension = hasExtension ? name.slice(dot) : '';
  const suffix = ` (${id})${extension}`;
  const stem = hasExtension ? name.slice(0, dot) : name;
  return cutToBytes(stem, NAME_BYTES - Buffer.byteLength(suffix)) + suffix;
}

export const fitsLinux = (name: string): boolean => Buffer.byteLength(name) <= NAME_BYTES;

/** The longest start of `text` that has at most `limit` bytes of UTF-8 and splits no character. */
function cutToBytes(text: string, limit: number): string {
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > limit) break;
    end += character.length;
  }
  return text.slice(0, end);
}
