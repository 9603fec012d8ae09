import type { KeptAttribute, LengthLimit, Platform } from './platform.js';

export type Compatibility = 'compatible' | 'not compatible' | 'not applicable';

/** One row of a comparison: what the source has, what the destination accepts, and whether they are compatible. */
export interface ComparisonRow {
  readonly feature: string;
  readonly source: string;
  readonly destination: string;
  readonly verdict: Compatibility;
}

/** Compatibility of two platforms for copying files from one to the other, row by row. */
export function comparePlatforms(source: Platform, destination: Platform): ComparisonRow[] {
  return ROWS.map(({ feature, show, judge }) => ({
    feature,
    source: show(source),
    destination: show(destination),
    verdict: judge(source, destination),
  }));
}

interface Row {
  readonly feature: string;
  show(platform: Platform): string;
  judge(source: Platform, destination: Platform): Compatibility;
}

const NO_LIMIT = 'no limit';

const yes = (isFine: boolean): Compatibility => (isFine ? 'compatible' : 'not compatible');

/** A limit of the destination: compatible if the source cannot exceed it. */
const limit = (feature: string, of: (platform: Platform) => LengthLimit | undefined): Row => ({
  feature,
  show: (platform) => lengthText(of(platform)),
  judge: (source, destination) => yes(fits(of(source), of(destination))),
});

/** An attribute kept beside the bytes: always compatible if the source does not have it. */
const kept = (feature: string, of: (platform: Platform) => KeptAttribute): Row => ({
  feature,
  show: (platform) => ({ yes: 'kept', optional: 'kept if turned on', no: 'not kept' })[of(platform)],
  judge: (source, destination) => (of(source) === 'no' ? 'not applicable' : yes(of(destination) !== 'no')),
});

const ROWS: readonly Row[] = [
  {
    feature: 'invalid characters',
    show: ({ characters }) => charactersText(characters),
    judge: (source, destination) =>
      yes([...destination.characters].every((character) => source.characters.includes(character))),
  },
  {
    feature: 'names that are refused',
    show: ({ patterns }) => (patterns.length === 0 ? 'none' : patterns.map(({ words }) => words).join('; ')),
    judge: (source, destination) => yes(destination.patterns.every((pattern) => source.patterns.includes(pattern))),
  },
  {
    feature: 'upper and lower case',
    show: ({ features }) => (features.caseInsensitive ? 'are one' : 'differ'),
    judge: (source, destination) => yes(source.features.caseInsensitive || !destination.features.caseInsensitive),
  },
  limit('path length', ({ pathLength }) => pathLength),
  {
    feature: 'segment length',
    show: ({ nameLength }) => lengthText(nameLength),
    // A name is no longer than its path.
    judge: (source, destination) => yes(fits(source.nameLength ?? source.pathLength, destination.nameLength)),
  },
  {
    feature: 'file size',
    show: ({ features }) => (features.fileSize === undefined ? NO_LIMIT : sizeText(features.fileSize)),
    judge: ({ features: a }, { features: b }) =>
      yes(b.fileSize === undefined || (a.fileSize !== undefined && a.fileSize <= b.fileSize)),
  },
  {
    feature: 'restricted types',
    show: ({ features }) => (features.restrictedTypes.length === 0 ? 'none' : features.restrictedTypes.join(' ')),
    judge: ({ features: a }, { features: b }) =>
      yes(b.restrictedTypes.every((type) => a.restrictedTypes.includes(type))),
  },
  kept('versions', ({ features }) => features.versions),
  {
    feature: 'time stamps',
    show: ({ features }) =>
      features.timeGrain === undefined ? 'those of storing' : `kept, to ${features.timeGrain} s`,
    // Every platform shows a time, which a copy should keep.
    judge: (_, { features }) => yes(features.timeGrain !== undefined),
  },
  kept('authors', ({ features }) => features.authors),
  kept('locks', ({ features }) => features.locks),
  kept('permissions', ({ features }) => features.permissions),
  kept('metadata', ({ features }) => features.metadata),
  {
    feature: 'empty folders',
    show: ({ features }) => (features.emptyFolders ? 'kept' : 'not kept'),
    judge: ({ features: a }, { features: b }) => (a.emptyFolders ? yes(b.emptyFolders) : 'not applicable'),
  },
];

/** Maximum of UTF-8 bytes for one unit. */
const BYTES: Readonly<Record<LengthLimit['unit'], number>> = { bytes: 1, utf16: 3, characters: 4 };
function fits(source: LengthLimit | undefined, destination: LengthLimit | undefined): boolean {
  if (destination === undefined) return true;
  if (source === undefined) return false;
  // Characters and UTF-16 units differ only in names full of rare characters: each name is judged separately anyway.
  const worst = destination.unit === 'bytes' ? BYTES[source.unit] : 1;
  return source.most * worst <= destination.most;
}

const lengthText = (one: LengthLimit | undefined): string =>
  one === undefined ? NO_LIMIT : `${one.most} ${one.unit === 'bytes' ? 'bytes' : 'characters'}`;

function charactersText(characters: string): string {
  const shown = [...characters].filter((character) => !/\p{Cc}/u.test(character));
  const controls = characters.length - shown.length;
  const rest = controls > 1 ? ' and control characters' : controls === 1 ? ' and NUL' : '';
  return `${shown.join(' ')}${rest}`;
}

const SIZES: readonly (readonly [number, string])[] = [
  [1024 ** 4, 'TiB'],
  [1024 ** 3, 'GiB'],
  [1024 ** 2, 'MiB'],
];

function sizeText(bytes: number): string {
  const [size, unit] = SIZES.find(([one]) => bytes + 1 >= one) ?? [1, 'B'];
  return `${Number((bytes / size).toFixed(2))} ${unit}`;
}
