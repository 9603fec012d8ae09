import type { FileVersions } from '../../cache/file-versions.js';
import type { Item, View } from '../../mirror/database/view.js';
import { NO_REMOTE } from '../../outbox/intents/intent.js';
import type { LocalItem } from '../../outbox/tree/tree.js';
import type { RemoteVersion } from '../../procore/items.js';
import { MOST_VERSIONS } from './places.js';

/** A version of a file other than the one that the mount shows. */
export interface OlderVersion {
  /** Unique within the file; normally the number at the server. */
  readonly number: number;
  readonly name: string;
  readonly version: RemoteVersion;
}

/** A file name extension, without spaces and control characters. */
const EXTENSION = /^.+(\.[^.\s\p{C}]{1,32})$/su;

/** The number followed by the extension of the file's own name, such as `3.pdf`. */
export const versionName = (number: number, fileName: string): string =>
  `${number}${EXTENSION.exec(fileName)?.[1] ?? ''}`;

/** The older versions of files: 1 call for each file that has any, repeated only when the file has a new version. */
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

/** Whether the mount shows content that was written here and is not at the server yet. */
const isCovered = ({ intent }: LocalItem): boolean => intent?.content.dirty === true;

function olderOf(item: LocalItem, current: Item, versions: readonly RemoteVersion[]): OlderVersion[] {
  const inOrder = versions.toSorted((a, b) => a.number - b.number || a.createdAt - b.createdAt || a.id - b.id);
  const older: OlderVersion[] = [];
  let number = 0;
  for (const version of inOrder) {
    // Numbers must be unique, as names are made from them.
    number = Math.max(version.number, number + 1);
    const isCurrent = version.id === current.versionId;
    const isShown = isCurrent ? isCovered(item) : version.number <= current.versionNumber;
    if (isShown && number <= MOST_VERSIONS) older.push({ number, name: versionName(number, item.name), version });
  }
  return older;
}
