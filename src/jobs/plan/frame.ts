import { nameOf, parentOf } from '../../endpoints/paths.js';
import type { EndpointItem } from '../endpoint.js';
import type { TransferRecord } from '../store/records.js';
import { type Fingerprint, fingerprintOf } from './decide.js';

/** A folder of both trees that is being planned. */
export interface Frame {
  /** Path at the source and at the destination, from the root of the transfer. */
  readonly source: string;
  readonly destination: string;
  /** Whether the folder exists. */
  readonly atSource: boolean;
  readonly atDestination: boolean;
  /** Path of the folder in the records of the job that `names_from` names. */
  readonly original: string | undefined;
}

/** Result of planning a folder's content. */
export interface FolderOutcome {
  /** The folder keeps content, or may do so. */
  readonly keeps: boolean;
  /** After the run an item of the folder exists at both endpoints. */
  readonly fills: boolean;
  /** Items below the folder that are to be deleted, by endpoint. */
  readonly deletions: { readonly delete: number; readonly 'delete-source': number };
}

/** An item with its state at each endpoint. */
export interface Pair {
  readonly name: string;
  readonly otherName: string;
  /** Original name, from the job that `names_from` names. */
  readonly first?: string;
  readonly renamed: string | undefined;
  readonly source: EndpointItem | undefined;
  readonly destination: EndpointItem | undefined;
  readonly record: TransferRecord | undefined;
  /** Why the item has no valid name at the other endpoint. */
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

/** The record with the current names and ids of the items; the same object if nothing has changed. */
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
