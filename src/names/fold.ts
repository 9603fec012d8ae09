/**
 * Simple case folding (Unicode, CaseFolding.txt, status C and S) as in this Node's ICU: two names differ only in case
 * exactly if their folds are equal. Composed and decomposed characters stay different.
 */
export function foldCase(name: string): string {
  if (ASCII.test(name)) return name.toLowerCase();
  folds ??= table();
  let folded = '';
  for (const character of name) folded += folds.get(character) ?? character;
  return folded;
}

/** Version of the Unicode data in `foldCase`: stored folds must be recomputed under another version. */
export const FOLD_VERSION = Number.parseFloat(process.versions.unicode ?? '0');

const ASCII = /^[\x00-\x7f]*$/;
/** No script above this code point has cases. */
const LAST_CASED = 0x1ffff;
const CHANGES = /\p{Changes_When_Casemapped}/u;
let folds: ReadonlyMap<string, string> | undefined;

/**
 * Character → the representative of all characters that differ from it only in case. About 2,800 entries, created on
 * first use.
 */
function table(): Map<string, string> {
  // `toUpperCase` uses full mappings and language exceptions; the flags `iu` compare by simple folding.
  const candidates = new Map<string, string[]>();
  for (let code = 0; code <= LAST_CASED; code++) {
    const character = String.fromCodePoint(code);
    if (!CHANGES.test(character)) continue;
    const group = character.toLowerCase().toUpperCase();
    const known = candidates.get(group);
    if (known) known.push(character);
    else candidates.set(group, [character]);
  }
  const found = new Map<string, string>();
  for (const group of candidates.values())
    for (const character of group) {
      if (found.has(character)) continue;
      const pattern = new RegExp(`^\\u{${character.codePointAt(0)!.toString(16)}}$`, 'iu');
      const same = group.filter((other) => pattern.test(other));
      const first = same.find((other) => other.toLowerCase() === other) ?? character;
      for (const other of same) found.set(other, first);
    }
  return found;
}
