import { constants } from 'node:fs';
import { Failure } from '../../base/errors.js';
import { type Inode, type NodeId, ROOT_INODE } from '../../base/ids.js';
import { OncePer } from '../../base/once-per.js';
import { contentVersion } from '../../cache/project-source.js';
import type { ContentVersion } from '../../cache/source.js';
import type {
  Awaitable,
  Context,
  DirectoryPage,
  Entry,
  Handle,
  NoEntry,
  OpenedFolder,
  OpenFile,
  ReadBytes,
} from '../../fuse/filesystem.js';
import type { Item } from '../../mirror/database/view.js';
import type { Mirror } from '../../mirror/mirror.js';
import type { LocalItem } from '../../outbox/tree/tree.js';
import { OpenedVersion } from '../opened-version.js';
import type { ShownProject } from '../shown-project.js';
import { Entries } from './entries.js';
import { type OlderVersion, OlderVersions } from './older-versions.js';
import { type HiddenPlace, HiddenPlaces, type PlaceOf } from './places.js';
import { RecycleTree } from './recycle-tree.js';
import { recycledXattrs, versionXattrs } from './xattrs.js';

export const VERSIONS_FOLDER = 'versions';
export const BIN_FOLDER = 'recycle';
const { O_ACCMODE = 3, O_RDONLY } = constants as typeof constants & { O_ACCMODE?: number };
/** Entries per page: each may need several queries of the mirror. */
const MOST_AT_ONCE = 32;

/**
 * `.procore`: the older versions of files, and the recycle bin. It is reachable by name and never listed. It is
 * read-only, and its content is fetched from the server only when it is opened or looked up.
 */
export class HiddenFolder {
  readonly #shown: ShownProject;
  readonly #mirror: Mirror;
  readonly #places: HiddenPlaces;
  readonly #entries: Entries;
  readonly #older: OlderVersions;
  readonly #bin: RecycleTree;
  readonly #open = new Map<Handle, OpenedVersion>();
  readonly #refusals: OncePer;

  constructor(shown: ShownProject) {
    const { mirror, versions, outbox } = shown.project;
    const { clock } = outbox;
    this.#shown = shown;
    this.#mirror = mirror;
    this.#places = new HiddenPlaces(shown.nodes);
    this.#entries = new Entries(this.#places, shown.owner, Math.floor(clock.now() / 1000));
    this.#refusals = new OncePer(clock);
    this.#older = new OlderVersions(mirror.view, versions);
    this.#bin = new RecycleTree(mirror);
  }

  /** The folder itself. */
  get entry(): Entry {
    return this.#entries.fixed({ kind: 'top' });
  }

  async lookup(parent: NodeId, name: string, context: Context): Promise<Entry | NoEntry> {
    return (await this.#child(this.#places.place(parent), name, context)) ?? { node: undefined, entryTimeout: 0 };
  }

  async getattr(node: NodeId, context: Context): Promise<Entry> {
    const place = this.#places.place(node);
    switch (place.kind) {
      case 'top':
      case 'bin':
        return this.#entries.fixed(place);
      case 'versions':
        return this.#entries.versionsOf(this.#item(place.inode));
      case 'version':
        return this.#entries.version(this.#item(place.inode), await this.#version(place, context));
      case 'recycled':
        return this.#entries.recycled(this.#recycled(place));
    }
  }

  /** Fetches what listing the folder needs, so that a failure is reported by opendir(3). */
  async opendir(node: NodeId, context: Context): Promise<OpenedFolder> {
    const place = this.#places.place(node);
    if (place.kind === 'versions') {
      const item = this.#item(place.inode);
      if (item.isFile) await this.#older.of(item, context.signal);
      else await this.#shown.listed(item, context);
    } else if (place.kind === 'bin') await this.#mirror.bin.look('interactive', context.signal);
    else if (place.kind !== 'top' && (place.kind === 'version' || this.#recycled(place).isFile))
      throw new Failure('not-a-folder', { path: 'this' });
    // The kernel is not notified of changes in here.
    return { handle: this.#shown.handles.newHandle(), keepCache: false };
  }

  async readdir(node: NodeId, cookie: number, limit: number, context: Context): Promise<DirectoryPage> {
    const place = this.#places.place(node);
    const dots = this.#entries.dots(place, this.#above(place)).slice(cookie);
    const page = await this.#children(place, Math.max(cookie, 2), Math.min(limit, MOST_AT_ONCE), context);
    return { entries: [...dots, ...page.entries], end: page.end };
  }

  async open(node: NodeId, flags: number, context: Context): Promise<OpenFile> {
    if ((flags & O_ACCMODE) !== O_RDONLY) throw this.refusal(context);
    const version = await this.#content(this.#places.place(node), context);
    const { project, handles, log } = this.#shown;
    const opened = new OpenedVersion(project, version, context.pid);
    const handle = handles.newHandle();
    this.#open.set(handle, opened);
    // The node identifies a place, not content: another document with the same version numbers may be there now.
    return { ...(await opened.file(handle, log)), keepCache: false };
  }

  read(handle: Handle, offset: number, size: number, context: Context): Awaitable<ReadBytes> {
    const open = this.#open.get(handle);
    if (!open) throw new Failure('internal', { why: `handle ${handle} is not open` });
    return open.read(offset, size, context.signal);
  }

  release(handle: Handle): void {
    const open = this.#open.get(handle);
    this.#open.delete(handle);
    open?.finish();
  }

  async getxattr(node: NodeId, name: string, context: Context): Promise<Uint8Array | undefined> {
    const place = this.#places.place(node);
    let value: string | undefined;
    if (place.kind === 'recycled') value = recycledXattrs.get(name)?.(this.#recycled(place), this.#shown.project);
    else if (place.kind === 'version' && versionXattrs.has(name))
      value = versionXattrs.get(name)!(this.#item(place.inode), await this.#version(place, context));
    return value === undefined ? undefined : Buffer.from(value);
  }

  /** The failure for an attempt to change something in here; logged once in a while. */
  refusal(context: Context): Failure {
    const failure = new Failure('hidden-read-only');
    this.#refusals.run('change', () => this.#shown.log.info({ uid: context.uid }, failure.line));
    return failure;
  }

  close(): void {
    for (const handle of [...this.#open.keys()]) this.release(handle);
  }

  async #child(place: HiddenPlace, name: string, context: Context): Promise<Entry | undefined> {
    switch (place.kind) {
      case 'top':
        if (name === BIN_FOLDER) return this.#entries.fixed({ kind: 'bin' });
        return name === VERSIONS_FOLDER ? this.#entries.versionsOf(this.#item(this.#shown.nodes.root)) : undefined;
      case 'versions': {
        const item = this.#item(place.inode);
        if (item.isFile) {
          const older = await this.#older.of(item, context.signal);
          const found = older.find((one) => one.name === name);
          return found && this.#entries.version(item, found);
        }
        const { tree } = this.#shown;
        if (!tree.child(item, name)) await this.#shown.listed(item, context);
        const child = tree.child(item, name);
        return child && !this.#shown.isConcealed(child) ? this.#entries.versionsOf(child) : undefined;
      }
      case 'bin': {
        const known = this.#bin.find(undefined, name);
        if (!known) await this.#mirror.bin.look('interactive', context.signal);
        return this.#recycledEntry(known ?? this.#bin.find(undefined, name));
      }
      case 'recycled':
        return this.#recycledEntry(this.#bin.find(this.#recycled(place), name));
      case 'version':
        throw new Failure('not-a-folder', { path: 'this' });
    }
  }

  async #children(
    place: HiddenPlace,
    after: number,
    limit: number,
    context: Context,
  ): Promise<Pick<DirectoryPage, 'entries' | 'end'>> {
    const named = (name: string, cookie: number, entry: Entry, directory = true) => ({
      name,
      cookie,
      entry,
      ino: entry.attributes.ino,
      directory,
    });
    if (place.kind === 'top') {
      const all = [VERSIONS_FOLDER, BIN_FOLDER];
      const entries = await Promise.all(
        all.map(async (name, n) => named(name, n + 3, (await this.#child(place, name, context))!)),
      );
      return { entries: entries.filter(({ cookie }) => cookie > after), end: true };
    }
    if (place.kind === 'versions') {
      const item = this.#item(place.inode);
      if (item.isFile) {
        const older = await this.#older.of(item, context.signal);
        const rest = older.filter(({ number }) => number + 2 > after);
        const entries = rest.slice(0, limit).map((one) => {
          return named(one.name, one.number + 2, this.#entries.version(item, one), false);
        });
        return { entries, end: rest.length <= limit };
      }
      for (let at = after; ; ) {
        const children = this.#shown.tree.children(item, at, limit);
        const shown = children.filter((child) => !this.#shown.isConcealed(child));
        const end = children.length < limit;
        at = children.at(-1)?.inode ?? at;
        // An empty page would mean the end.
        if (shown.length === 0 && !end) continue;
        return { entries: shown.map((child) => named(child.name, child.inode, this.#entries.versionsOf(child))), end };
      }
    }
    const folder = place.kind === 'recycled' ? this.#recycled(place) : undefined;
    for (let at = after; ; ) {
      const page = await this.#bin.entries(folder, at, limit);
      const shown = page.entries.filter(({ item }) => !this.#shown.isConcealed(item));
      at = page.entries.at(-1)?.item.inode ?? at;
      if (shown.length === 0 && !page.end) continue;
      const entries = shown.map(({ name, item }) =>
        named(name, item.inode, this.#entries.recycled(item), !item.isFile),
      );
      return { entries, end: page.end };
    }
  }

  #recycledEntry(item: Item | undefined): Entry | undefined {
    return item && !this.#shown.isConcealed(item) ? this.#entries.recycled(item) : undefined;
  }

  async #content(place: HiddenPlace, context: Context): Promise<ContentVersion> {
    if (place.kind === 'recycled') {
      const item = this.#recycled(place);
      if (item.isFile) return contentVersion(item);
    }
    if (place.kind !== 'version') throw new Failure('is-a-folder', { path: 'this' });
    const item = this.#item(place.inode);
    const { version, number } = await this.#version(place, context);
    const { id, size } = version;
    return { id, size, remoteId: item.remoteId, label: `version ${number} of ${item.name}` };
  }

  async #version(place: PlaceOf<'version'>, context: Context): Promise<OlderVersion> {
    const item = this.#item(place.inode);
    const older = await this.#older.of(item, context.signal);
    const found = older.find(({ number }) => number === place.number);
    if (!found) throw new Failure('version-gone', { path: item.name });
    return found;
  }

  /** @throws Failure `version-gone` (ESTALE, on which the kernel looks the path up again) */
  #item(inode: Inode): LocalItem {
    const item = this.#shown.tree.item(inode);
    const isRoot = inode === this.#shown.nodes.root;
    if (!item || (!isRoot && this.#shown.isConcealed(item)))
      throw new Failure('version-gone', { path: `inode ${inode}` });
    return item;
  }

  #recycled(place: PlaceOf<'recycled'>): Item {
    const item = this.#mirror.view.item(place.inode);
    const isSame = item !== undefined && this.#places.isContent(place, item);
    if (!isSame || this.#shown.isConcealed(item) || !this.#bin.holds(item))
      throw new Failure('version-gone', { path: item?.name ?? `inode ${place.inode}` });
    return item;
  }

  #above(place: HiddenPlace): HiddenPlace {
    switch (place.kind) {
      case 'recycled': {
        const folder = this.#bin.folderOf(this.#recycled(place));
        return folder ? { kind: 'recycled', inode: folder.inode, sequence: folder.sequence } : { kind: 'bin' };
      }
      case 'versions': {
        const isTop = place.inode === this.#shown.nodes.root || place.inode === ROOT_INODE;
        return isTop ? { kind: 'top' } : { kind: 'versions', inode: this.#item(place.inode).parent };
      }
      default:
        return { kind: 'top' };
    }
  }
}
