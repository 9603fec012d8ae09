import { nameOf, parentOf } from '../../endpoints/paths.js';
import type { EndpointItem } from '../endpoint.js';
import type { TransferRecord } from '../store/records.js';
import { type Fingerprint, fingerprintOf } from './decide.js';

/** One folder of the two trees, while it is looked at. */
export interface Frame {
  /** Path at the source and at the destination, from where the transfer begins. */
  readonly source: string;
  readonly destination: string;
  /** Whether the folder is there. */
  readonly atSource: boolean;
  readonly atDestination: boolean;
  /** The folder in the records of the job whose first names come back. */
  readonly original: string | undefined;
}

/** What became of a folder's content. */
export interface FolderOutcome {
  /** Something in it stays or is made, as far as is known. */
  readonly keeps: boolean;
  /** Something in it is on both sides afterwards. */
  readonly fills: boolean;
  /** Items below it that are to be deleted, by which side. */
  readonly deletions: { readonly delete: number; readonly 'delete-source': number };
}

/** An item and what it is on either side. */
export interface Pair {
  readonly name: string;
  readonly otherName: string;
  /** The name that a former job noted as the first one. */
  readonly first?: string;
  readonly renamed: string | undefined;
  readonly source: EndpointItem | undefined;
  readonly destination: EndpointItem | undefined;
  readonly record: TransferRecord | undefined;
  /** Why it has no name on the other side. */
  readonly unnamed?: string;
}

export const foldersOf = ({ source, destination }: Frame) => ({
  folder: parentOf(source),
  name: nameOf(source),
  otherFolder: parentOf(destination),
  otherName: nameOf(destination),
});

export const recordOfPair = (
  frame: Pick<Frame, 'source'>,
  pair: Pick<Pair, 'name' | 'otherName' | 'renamed'>,
  source: EndpointItem,
  destination: EndpointItem,
): TransferRecord => ({
  folder: frame.source,
  name: pair.name,
  isFolder: source.folder,
  otherName: pair.otherName,
  renamed: pair.renamed,
  source: fingerprintOf(source),
  destination: fingerprintOf(destination),
});

/** A record by the names and ids that the items have now; the same one where they are as they were. */
export function refreshed(
  record: TransferRecord,
  { name, otherName, renamed, source, destination }: Pair,
): TransferRecord {
  const withId = (before: Fingerprint | undefined, item: EndpointItem | undefined): Fingerprint | undefined =>
    before === undefined || item === undefined || before.id === item.id ? before : { ...before, id: item.id };
  const ends = { source: withId(record.source, source), destination: withId(record.destination, destination) };
  const isSame =
    name === record.name &&
    otherName === record.otherName &&
    ends.source === record.source &&
    ends.destination === record.destination;
  return isSame ? record : { ...record, ...ends, name, otherName, renamed };
}
