/**
 * A reversible encoding of names: characters that a platform cannot hold are replaced by look-alikes, and a look-alike
 * that is already in a name gets a quote character before it. Runs of quotes follow the rule for backslashes before a
 * quotation mark in a command line, so that both directions are total and `decode(encode(x)) = x` for every x,
 * `encode(decode(y)) = y` for every y that the platform can hold.
 */
export interface EncodingRules {
  /** Forbidden character → its replacement. */
  readonly characters: Readonly<Record<string, string>>;
  /** Forbidden whole name → its replacement. No value may contain a value of `characters`. */
  readonly names: Readonly<Record<string, string>>;
}

export interface NameEncoding {
  encode(name: string): string;
  decode(name: string): string;
}

/** U+201B: practically never used at a place where it would have to be doubled. */
const QUOTE = '\u201b';

/**
 * Half surrogates are possible in JSON but not in UTF-8; they are mapped to plane 15 (private use). Symbol fonts use
 * that plane: a character there is a look-alike of itself, and a quote before it makes it a half surrogate.
 */
const HALF_SURROGATES = Object.fromEntries(
  Array.from({ length: 0x800 }, (_, i) => [String.fromCharCode(0xd800 + i), String.fromCodePoint(0xf0000 + i)]),
);

export function makeEncoding(rules: EncodingRules): NameEncoding {
  const shown = new Map(Object.entries({ ...HALF_SURROGATES, ...rules.characters }));
  const original = new Map([...shown].map(([from, to]) => [to, from]));
  const isHalf = (character: string): boolean => Object.hasOwn(HALF_SURROGATES, character);
  const shownNames = new Map(Object.entries(rules.names));
  const originalNames = new Map([...shownNames].map(([from, to]) => [to, from]));
  const forbidden = Object.keys(rules.characters);
  const suspicious = new RegExp(
    `[${[...forbidden, ...Object.values(rules.characters), QUOTE].map(escapeClass).join('')}\\p{Cs}\\u{f0000}-\\u{f07ff}]`,
    'u',
  );

  const mapRuns = (name: string, atSpecial: (character: string, quotes: number) => string | undefined): string => {
    let out = '';
    let quotes = 0;
    for (const character of name) {
      if (character === QUOTE) {
        quotes++;
        continue;
      }
      out += atSpecial(character, quotes) ?? QUOTE.repeat(quotes) + character;
      quotes = 0;
    }
    return out + QUOTE.repeat(quotes);
  };

  /** Quotes before a whole special name, and that name. */
  const quoted = (name: string): { quotes: number; rest: string } => {
    let quotes = 0;
    while (name.startsWith(QUOTE, quotes)) quotes++;
    return { quotes, rest: name.slice(quotes) };
  };

  return {
    encode(name) {
      const inner = suspicious.test(name)
        ? mapRuns(name, (character, quotes) => {
            const look = shown.get(character);
            if (look !== undefined) return QUOTE.repeat(2 * quotes + Number(isHalf(character))) + look;
            const source = original.get(character);
            return source && QUOTE.repeat(2 * quotes + Number(!isHalf(source))) + character;
          })
        : name;
      const special = shownNames.get(inner);
      if (special !== undefined) return special;
      return originalNames.has(quoted(inner).rest) ? QUOTE + inner : inner;
    },
    decode(name) {
      let inner = name;
      const { quotes, rest } = quoted(name);
      if (originalNames.has(rest)) inner = quotes === 0 ? originalNames.get(rest)! : name.slice(QUOTE.length);
      if (!suspicious.test(inner)) return inner;
      return mapRuns(inner, (character, quotes) => {
        const source = original.get(character);
        if (source === undefined) return undefined;
        return QUOTE.repeat(quotes >> 1) + ((quotes % 2 === 1) === isHalf(source) ? source : character);
      });
    },
  };
}

const escapeClass = (character: string): string => `\\u{${character.codePointAt(0)!.toString(16)}}`;
