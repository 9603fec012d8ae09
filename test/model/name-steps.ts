import { linuxNames, suffixedName } from '#src/names/linux.js';
import fc from '../support/properties.js';

/** A name as it is drawn: a text, or what some name that is there already becomes. */
export type Drawn = { readonly text: string } | { readonly of: number; readonly how: keyof typeof ways };

export interface Step {
  readonly op: (typeof OPERATIONS)[number];
  readonly item: number;
  readonly name: Drawn;
  readonly isFolder: boolean;
}

const OPERATIONS = [
  ...['create', 'create', 'mkdir', 'rename', 'rename', 'move', 'save', 'delete', 'reopen'],
  ...['their create', 'their create', 'their rename', 'their delete', 'their restore', 'their restore'],
  ...['their create and delete', 'their rename and delete', 'their move'],
] as const;

/** Names that are the same to somebody, or that the mount makes of one. */
export const ways = {
  itself: (name: string) => name,
  plain: (_: string, __: number, remote: string) => linuxNames.encode(remote),
  upper: (name: string) => name.toUpperCase(),
  lower: (name: string) => name.toLowerCase(),
  composed: (name: string) => name.normalize('NFC'),
  decomposed: (name: string) => name.normalize('NFD'),
  encoded: linuxNames.encode,
  decoded: linuxNames.decode,
  suffixed: (name: string, id: number) => suffixedName(name, id),
  long: (name: string) => `${name}${'\u{1f3d7}'.repeat(200)}`,
} as const;

/** Pieces that some part of the way treats in its own way. */
const PIECES = [
  ...['/', '\0', '.', '..', '\u201b', '\uff0f', '\u2400', '\uff0e', '\u2205', '.procore', '\uff0eprocore'],
  ...[' ', '\u00a0', '\u200b', '\u202e', '\ufeff', '\n', '\u0014', '\u007f', '\ufffd', '\u{f0000}', '\u{10ffff}'],
  ...['<', '>', ':', '\\', '|', '?', '*', '"', '%2F', "'", '-', '~', '#', ' (1)', ' (12)', '.pdf', '.PDF', '.tmp'],
  ...['a', 'A', 'b', 'e\u0301', '\u00e9', 'ß', 'ẞ', 'İ', 'ı', 'ſ', 'K', 'k', '\u212a', 'Ω', '\u2126', 'ﬀ', '👷🏽‍♀️'],
  ...[
    '__proto__',
    'constructor',
    'recycle',
    'Plan',
    'x'.repeat(120),
    'y'.repeat(250),
    '\u0436'.repeat(100),
    '𠮷'.repeat(60),
  ],
];

const text = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 4 }).map((all) => all.join('')),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }) },
);
const drawn: fc.Arbitrary<Drawn> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ text }) },
  {
    weight: 2,
    arbitrary: fc.record({ of: fc.nat(3), how: fc.constantFrom(...(Object.keys(ways) as (keyof typeof ways)[])) }),
  },
);
export const step: fc.Arbitrary<Step> = fc.record({
  op: fc.constantFrom(...OPERATIONS),
  item: fc.nat(50),
  name: drawn,
  isFolder: fc.boolean(),
});

const named = (op: Step['op'], name: string, item = 0, isFolder = false): Step => ({
  op,
  item,
  name: { text: name },
  isFolder,
});

/** What once went wrong, or nearly. */
export const TROUBLE: readonly Step[] = [
  // Seen for the first time in the bin.
  named('their create and delete', 'a/b'),
  named('their restore', ''),
  // Renamed and deleted between two looks.
  named('their create', 'before'),
  named('their rename and delete', 'after', 1),
  named('their restore', ''),
  // The plain name is free here, but not at the server; and its owner may have it.
  named('their create', 'twin'),
  named('their create', 'twin', 0, true),
  named('their delete', '', 2),
  named('mkdir', 'twin'),
  named('rename', 'twin', 2),
  // Sent as half a surrogate pair, as nothing, as more than there can be.
  named('create', '\u{f0000}'),
  named('create', '\u201b\u{f0000}'),
  named('create', '\u2205'),
  named('mkdir', 'y'.repeat(250)),
  named('create', 'r'),
  named('rename', 'key\u0014', 4),
];
