/**
 * Simple case folding (Unicode, CaseFolding.txt, status C and S) as this Node's ICU knows it: two names are the same in
 * another case exactly where their folds are equal. Composed and decomposed characters stay apart.
 */
export function foldCase(name: string): string {
  if (ASCII.test(name)) return name.toLowerCase();
  folds ??= table();
  let folded = '';
  for (const character of name) folded += folds.get(character) ?? character;
  return folded;
}

/** Of the Unicode that `foldCase` knows: folds that were kept must be made anew under another one. */
export const FOLD_VERSION = Number.parseFloat(process.versions.unicode ?? '0');

const ASCII = /^[\x00-\x7f]*$/;
/** No script above has cases. */
const LAST_CASED = 0x1ffff;
const CHANGES = /\p{Changes_When_Casemapped}/u;
let folds: ReadonlyMap<string, string> | undefined;

/** Character → what stands for all that are the same without case. About 2,800, made when it is first needed. */
function table(): Map<string, string> {
  // `toUpperCase` maps in full and knows languages' exceptions; the flags `iu` compare by simple folding.
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
