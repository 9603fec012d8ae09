import type { FileVersions } from '../../cache/file-versions.js';
import type { Item, View } from '../../mirror/database/view.js';
import { NO_REMOTE } from '../../outbox/intents/intent.js';
import type { LocalItem } from '../../outbox/tree/tree.js';
import type { RemoteVersion } from '../../procore/items.js';
import { MOST_VERSIONS } from './places.js';

/** A version of a file that is not the one which the mount shows. */
export interface OlderVersion {
  /** Unique within the file: as the server counts. */
  readonly number: number;
  readonly name: string;
  readonly version: RemoteVersion;
}

/** An ending that viewers go by, and nothing that a terminal could stumble over. */
const EXTENSION = /^.+(\.[^.\s\p{C}]{1,32})$/su;

/** `3.pdf`: the number first, then what the file's own name ends with. */
export const versionName = (number: number, fileName: string): string =>
  `${number}${EXTENSION.exec(fileName)?.[1] ?? ''}`;

/** The older versions of files: 1 call for a file that has any, until it has a new one. */
export class OlderVersions {
  readonly #view: View;
  readonly #versions: FileVersions;

  constructor(view: View, versions: FileVersions) {
    this.#view = view;
    this.#versions = versions;
  }

  /** In order of their numbers. */
  async of(item: LocalItem, signal: AbortSignal): Promise<readonly OlderVersion[]> {
    const current = item.remoteId === NO_REMOTE ? undefined : this.#view.byRemoteId(item.remoteId);
    if (!current || (current.versionNumber <= 1 && !isCovered(item))) return [];
    return olderOf(item, current, await this.#versions.list(current, signal));
  }
}

/** What is at the server is not what the mount shows: content that was written here waits. */
const isCovered = ({ intent }: LocalItem): boolean => intent?.dirty === true;

function olderOf(item: LocalItem, current: Item, versions: readonly RemoteVersion[]): OlderVersion[] {
  const inOrder = versions.toSorted((a, b) => a.number - b.number || a.createdAt - b.createdAt || a.id - b.id);
  const older: OlderVersion[] = [];
  let number = 0;
  for (const version of inOrder) {
    // Two of one number would have one name.
    number = Math.max(version.number, number + 1);
    const isCurrent = version.id === current.versionId;
    const isShown = isCurrent ? isCovered(item) : version.number <= current.versionNumber;
    if (isShown && number <= MOST_VERSIONS) older.push({ number, name: versionName(number, item.name), version });
  }
  return older;
}
