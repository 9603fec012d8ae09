import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import type { Inode } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import { linuxNames } from '../../names/linux.js';
import { classifyName, globPattern, type NameClass } from '../../names/local-only.js';
import { judgeProcoreName, judgeProcorePath, type Refusal } from '../../names/procore.js';
import { isLocal, NO_REMOTE } from '../intents/intent.js';
import { isPublished } from '../upload/publish.js';
import type { LocalItem, Tree } from './tree.js';

/** A name that was refused here, for `status`. */
export interface RefusedName {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly path: string;
  readonly uid: number;
  readonly rule: string;
}

const KEPT_REFUSALS = 100;
/** Number of names whose kind is cached: as many as wait to be sent after a large copy. */
const KEPT_KINDS = 20_000;

/** Checks names before an item is created under them: what will be published must obey Procore's rules. */
export interface NameGuard {
  kind(name: string, folder: boolean): NameClass;
  /** @throws Failure `name-refused` (EINVAL), `path-too-long` (ENAMETOOLONG), `name-taken` (EEXIST) */
  require(parent: LocalItem, name: string, folder: boolean, uid: number): void;
  /** As `require`; a folder is judged by the longest path below it. */
  requireMove(
    item: LocalItem,
    parent: LocalItem,
    name: string,
    uid: number,
    longestBelow: (folder: LocalItem) => Promise<number>,
  ): Promise<void>;
  /** The rule that forbids publishing an item where it is, if one does. */
  publishRefusal(path: string, name: string): Refusal | undefined;
  readonly refusals: readonly RefusedName[];
}

export function namePolicy(tree: Tree, temporary: readonly string[], log: Log, clock: Clock): NameGuard {
  const refusals: RefusedName[] = [];
  const extra = temporary.map((glob) => globPattern(glob, 'transfer-temporary'));
  const kinds = new LRUCache<string, NameClass>({ max: KEPT_KINDS });
  const kind = (name: string, folder: boolean): NameClass => {
    const key = folder ? `${name}/` : name;
    let found = kinds.get(key);
    if (found === undefined) kinds.set(key, (found = classifyName(name, extra, folder ? 'folder' : 'file')));
    return found;
  };
  /** Whether an item with this name in this folder is sent to the server. */
  const goesUp = (parent: LocalItem, name: string, folder: boolean): boolean =>
    isPublished(kind(name, folder)) && !isLocal(parent.intent);
  const pathIn = (parent: LocalItem, name: string): string =>
    [tree.path(parent) ?? '', name].filter((part) => part !== '').join('/');
  /**
   * The server has an item of exactly this name at this place, and an item that takes the place becomes its next
   * version.
   */
  const isTheServers = (parent: LocalItem, name: string): boolean =>
    tree.isLeft(parent, name) || (tree.child(parent, name)?.remoteId ?? NO_REMOTE) !== NO_REMOTE;
  /** The item moves back to where the server has it. */
  const isBack = ({ intent }: LocalItem, parent: LocalItem, name: string): boolean =>
    intent !== undefined &&
    intent.remoteId !== NO_REMOTE &&
    intent.base.parent === parent.inode &&
    intent.base.name === name;
  /** An item that the server already has may break a rule and still be moved, or saved in any way. */
  const judge = (parent: LocalItem, name: string, path: string): Refusal | undefined => {
    const refusal = judgeProcoreName(name) ?? judgeProcorePath(path);
    return refusal && isTheServers(parent, name) ? undefined : refusal;
  };
  /** The server's name for this name here. An item that is only moved keeps its name at the server. */
  const remoteNameOf = (item: LocalItem, name: string): string => {
    const isKept = name === item.name && (!item.intent || item.intent.here.name === item.intent.base.name);
    return (isKept && tree.view.byRemoteId(item.remoteId)?.remoteName) || linuxNames.decode(name);
  };
  /**
   * If two items have one name at the server, the mount shows one of them under another name. So a name that is free
   * here may be taken at the server.
   */
  const requireFree = (
    parent: LocalItem,
    name: string,
    remote: string,
    item: { isFile: boolean; inode?: Inode },
    uid: number,
  ): void => {
    if (parent.remoteId === NO_REMOTE || tree.isLeft(parent, name)) return;
    const here = tree.child(parent, name);
    // The item is replaced, unless it is the moved item itself in another case.
    if (here && here.inode !== item.inode) return;
    const plain = tree.view.child(parent, linuxNames.encode(remote));
    const named = plain?.remoteName === remote ? [plain] : [];
    for (const { inode } of [...named, ...tree.view.shownOtherwise(parent.remoteId, remote)]) {
      const other = inode === item.inode ? undefined : tree.item(inode);
      if (other?.isFile !== item.isFile || other.parent !== parent.inode || other.intent) continue;
      log.warn({ path: pathIn(parent, name), uid, other: other.name }, 'another item has that name at the server');
      throw new Failure('name-taken', { name: remote });
    }
  };
  const refuse = (refusal: Refusal, path: string, uid: number): never => {
    refusals.push({ at: clock.now(), path, uid, rule: refusal.words });
    if (refusals.length > KEPT_REFUSALS) refusals.shift();
    log.warn({ path, uid, rule: refusal.words }, 'a name was refused');
    const code = refusal.errno === 'ENAMETOOLONG' ? 'path-too-long' : 'name-refused';
    throw new Failure(code, { name: path, why: refusal.words });
  };
  return {
    kind,
    refusals,
    require(parent, name, folder, uid) {
      if (!goesUp(parent, name, folder)) return;
      const path = pathIn(parent, name);
      const refusal = judge(parent, name, path);
      if (refusal) refuse(refusal, path, uid);
      requireFree(parent, name, linuxNames.decode(name), { isFile: !folder }, uid);
    },
    async requireMove(item, parent, name, uid, longestBelow) {
      if (!goesUp(parent, name, !item.isFile) || isBack(item, parent, name)) return;
      const path = pathIn(parent, name);
      const refusal = name === item.name ? judgeProcorePath(path) : judge(parent, name, path);
      if (refusal) refuse(refusal, path, uid);
      requireFree(parent, name, remoteNameOf(item, name), item, uid);
      if (item.isFile) return;
      const below = await longestBelow(item);
      const longest = below === 0 ? undefined : judgeProcorePath(`${path}/${'x'.repeat(below)}`);
      if (longest) refuse(longest, path, uid);
    },
    publishRefusal: (path, name) => judgeProcoreName(name) ?? judgeProcorePath(path),
  };
}
