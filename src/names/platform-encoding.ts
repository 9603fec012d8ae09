import { makeEncoding, type NameEncoding } from './encoding.js';
import type { PlatformRules } from './platform.js';

/**
 * Inserted where a rule would otherwise match: `a.` is stored as `a.‸`, `CON.txt` as `‸CON.txt`. U+2038 (caret) is
 * practically never in a name; one that is there is doubled.
 */
const MARK = '\u2038';

/** Whole names that the next step would only mark; look-alikes are more readable. */
const WHOLE_NAMES: Readonly<Record<string, string>> = { '': '\u2205', '.': '\uff0e', '..': '\uff0e\uff0e' };

const encodings = new WeakMap<PlatformRules, NameEncoding>();

/**
 * The reversible encoding of names for a platform: `decode(encode(x)) = x` for every string x, and a name that the
 * platform can hold is encoded as itself unless it looks encoded. Lengths are not checked. A name that no encoding can
 * make valid stays invalid, and `judgeName` refuses it.
 */
export function encodingFor(rules: PlatformRules): NameEncoding {
  let encoding = encodings.get(rules);
  if (!encoding) encodings.set(rules, (encoding = makePlatformEncoding(rules)));
  return encoding;
}

function makePlatformEncoding(rules: PlatformRules): NameEncoding {
  const characters = [...rules.characters].flatMap((character) => {
    const look = lookAlike(character);
    return look === undefined ? [] : [[character, look] as const];
  });
  const inner = makeEncoding({
    characters: Object.fromEntries(characters),
    names: Object.fromEntries(Object.entries(WHOLE_NAMES).filter(([name]) => rules.names.includes(name))),
  });
  const encode = (name: string): string => mark(inner.encode(name).replaceAll(MARK, MARK + MARK), rules);
  return {
    encode,
    decode(name) {
      const decoded = inner.decode(name.replace(RUNS, (run) => MARK.repeat(run.length >> 1)));
      // A name from another program that only looks encoded.
      return encode(decoded) === name ? decoded : name;
    },
  };
}

const RUNS = new RegExp(`${MARK}+`, 'g');

/** Full-width forms, and the pictures of control characters. */
function lookAlike(character: string): string | undefined {
  const code = character.codePointAt(0)!;
  if (code === 0x7f) return '\u2421';
  if (code <= 0x20) return String.fromCharCode(0x2400 + code);
  return code < 0x7f ? String.fromCharCode(0xfee0 + code) : undefined;
}

/** Inserts single marks until no pattern matches. */
function mark(name: string, { patterns, names }: PlatformRules): string {
  let marked = name;
  // Each mark removes at least one match.
  for (let left = name.length + patterns.length; left > 0; left--) {
    const found = patterns.find(({ pattern }) => marked.search(pattern) >= 0);
    if (!found) break;
    const better = markOne(marked, found.pattern);
    if (better === undefined) return marked;
    marked = better;
  }
  return names.includes(marked) ? MARK + marked : marked;
}

function markOne(name: string, pattern: RegExp): string | undefined {
  const finds = [...name.matchAll(pattern)];
  const [{ index, 0: text }] = finds as [RegExpExecArray];
  return [index, index + text.length, index + 1]
    .filter((place) => marksAround(name, place) % 2 === 0)
    .map((place) => name.slice(0, place) + MARK + name.slice(place))
    .find((candidate) => [...candidate.matchAll(pattern)].length < finds.length);
}

/** An odd run has its single mark already: a second one would read as a mark of the name itself. */
function marksAround(name: string, place: number): number {
  let [start, end] = [place, place];
  while (name[start - 1] === MARK) start--;
  while (name[end] === MARK) end++;
  return end - start;
}
