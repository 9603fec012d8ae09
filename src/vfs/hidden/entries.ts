import { constants } from 'node:fs';
import type { FileNumber } from '../../base/ids.js';
import type { Attributes, DirectoryEntry, Entry } from '../../fuse/filesystem.js';
import type { Item } from '../../mirror/database/view.js';
import type { LocalItem } from '../../outbox/tree/tree.js';
import type { Ownership } from '../attributes.js';
import { privateBits } from '../privacy.js';
import type { OlderVersion } from './older-versions.js';
import type { HiddenPlace, HiddenPlaces, PlaceOf } from './places.js';

const { S_IFDIR, S_IFREG } = constants;
/** Seconds. Short, because the kernel is not notified of changes in the hidden folder. */
const TIMEOUT_S = 1;
/** Seconds, for what never changes, such as a version. */
const LASTING_S = 3600;

/** Attributes of the hidden folder and its content: readable as the mount's owner and umask permit, never writable. */
export class Entries {
  /** @param since the time of the fixed folders, seconds since the epoch */
  constructor(
    private readonly places: HiddenPlaces,
    private readonly owner: Ownership,
    private readonly since: number,
  ) {}

  fixed(place: PlaceOf<'top' | 'bin'>): Entry {
    return this.#entry(place, this.#folder(place, 0, this.since), LASTING_S);
  }

  versionsOf(item: LocalItem): Entry {
    const place = { kind: 'versions', inode: item.inode } as const;
    return this.#entry(place, this.#folder(place, item.flags, item.updatedAt), TIMEOUT_S);
  }

  version(item: LocalItem, { number, version }: OlderVersion): Entry {
    const place = { kind: 'version', inode: item.inode, number } as const;
    const { size, createdAt } = version;
    return this.#entry(place, this.#file(place, item.flags, size, createdAt, createdAt), LASTING_S);
  }

  recycled(item: Item): Entry {
    const place = { kind: 'recycled', inode: item.inode, sequence: item.sequence } as const;
    const attributes = item.isFile
      ? this.#file(place, item.flags, item.size, item.versionAt, item.updatedAt)
      : this.#folder(place, item.flags, item.updatedAt);
    return this.#entry(place, attributes, TIMEOUT_S);
  }

  dots(self: HiddenPlace, above: HiddenPlace): DirectoryEntry[] {
    const dot = (name: string, cookie: number, ino: FileNumber): DirectoryEntry => {
      return { name, cookie, entry: undefined, ino, directory: true };
    };
    return [dot('.', 1, this.places.ino(self)), dot('..', 2, this.places.ino(above))];
  }

  #entry(place: HiddenPlace, attributes: Attributes, attributeTimeout: number): Entry {
    const entryTimeout = place.kind === 'top' || place.kind === 'bin' ? LASTING_S : TIMEOUT_S;
    return { node: this.places.node(place), attributes, entryTimeout, attributeTimeout };
  }

  #folder(place: HiddenPlace, flags: number, mtime: number): Attributes {
    return this.#attributes(place, S_IFDIR | this.#bits(0o555, flags), 4096, mtime, mtime);
  }

  #file(place: HiddenPlace, flags: number, size: number, mtime: number, ctime: number): Attributes {
    return this.#attributes(place, S_IFREG | this.#bits(0o444, flags), size, mtime, ctime);
  }

  #bits(bits: number, flags: number): number {
    return bits & ~this.owner.umask & privateBits(flags, this.owner.privacy ?? 'owner');
  }

  #attributes(place: HiddenPlace, mode: number, size: number, mtime: number, ctime: number): Attributes {
    const { uid, gid } = this.owner;
    return { ino: this.places.ino(place), mode, nlink: 1, uid, gid, size, atime: mtime, mtime, ctime };
  }
}
