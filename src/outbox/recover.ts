import type { Clock } from '../base/clock.js';
import type { Inode } from '../base/ids.js';
import type { Log } from '../base/log.js';
import { HIDDEN } from '../mirror/database/flags.js';
import type { View } from '../mirror/database/view.js';
import { rebased } from './intents/attempt.js';
import { isNothing, made } from './intents/changes.js';
import { type Gaps, INTERRUPTED, type Intent, NO_REMOTE, UNRECORDED, UNSURE } from './intents/intent.js';
import type { Intents } from './intents/intents.js';
import type { LateCalls } from './intents/late-calls.js';
import type { Tree } from './tree/tree.js';
import { nameBeside } from './upload/conflict-name.js';
import type { Durability } from './working/durability.js';
import type { Staging } from './working/staging.js';

interface Recoverable {
  readonly intents: Intents;
  readonly tree: Tree;
  readonly clock: Clock;
  readonly staging: Staging;
  readonly late: LateCalls;
  readonly durability: Pick<Durability, 'place'>;
}

/**
 * Recovers after a crash. Files that were being written are kept and held, and so are files whose bytes were not on
 * stable storage when the machine went down. Files that no row owns go to lost+found. The server may have the same
 * bytes, but nothing shows whether a program wrote to a file by passthrough.
 */
export function recover(outbox: Recoverable, view: View, log: Log): void {
  const { intents, staging, late } = outbox;
  const { place } = outbox.durability;
  const owned = new Set<Inode>();
  const put: Intent[] = [];
  const drop: Inode[] = [];
  for (const known of intents.all()) {
    const path = known.here.name;
    let intent = known.state === 'uploading' ? { ...known, state: 'held' as const } : known;
    const created = intent.attempt.goal && confirmedCreation(intent, intents, view);
    if (intent.attempt.goal && created) {
      if (!intent.folder) late.passedBy(created);
      intent = rebased(intent, intent.attempt.goal, created);
      if (isNothing(intent)) {
        const { mtime, mode } = intent.here;
        intents.setAttributes(intent.inode, { versionId: intent.base.version, mtime, mode });
        drop.push(intent.inode);
        staging.remove(intent.inode);
        continue;
      }
    }
    const { content } = intent;
    const isVolatile = content.volatile !== undefined && content.volatile !== place;
    if (content.staged && !staging.has(intent.inode)) {
      log.error({ path }, 'bytes that were not on the disk yet were lost when the machine went down');
      intent = { ...intent, content: { ...content, staged: false, dirty: false, volatile: undefined } };
      if (intent.remoteId === NO_REMOTE || isNothing(intent)) {
        drop.push(intent.inode);
        continue;
      }
    } else if (content.staged) {
      owned.add(intent.inode);
      const { size, mtimeMs } = staging.detach(intent.inode);
      const { mtimeMs: stagedAt } = staging.stat(intent.inode);
      // Written to after the acknowledgement, by passthrough, and not closed since.
      const isTouched = content.stagedAt !== 0 && content.stagedAt !== mtimeMs;
      if (!content.flushed || isTouched || isVolatile) {
        const flushed = content.flushed && !isTouched;
        const reason = flushed ? UNSURE : INTERRUPTED;
        const gaps = content.gaps && within(content.gaps, size);
        if (content.gaps) staging.noteGaps(intent.inode, gaps);
        const held = { ...content, flushed, stagedAt, gaps, volatile: undefined, upload: undefined };
        intent = { ...intent, here: { ...intent.here, size }, content: held, state: 'held', reason };
        log.warn({ path, reason }, 'a file is held');
      } else if (content.stagedAt !== 0 && stagedAt !== mtimeMs)
        intent = { ...intent, content: { ...content, stagedAt } };
    } else if (!content.flushed) {
      // Opened for writing, with nothing acknowledged since: its content is still that of a version.
      intent = { ...intent, content: { ...content, flushed: true }, state: 'held' };
    }
    if (intent !== known) put.push(intent);
  }
  if (put.length > 0 || drop.length > 0) intents.change(put, drop);
  for (const inode of staging.inodes()) {
    if (owned.has(inode) || keptBeside(inode, outbox, view, log)) continue;
    const path = staging.lose(inode, view.item(inode)?.name ?? 'unknown');
    log.warn({ path }, 'bytes without an owner were moved to lost+found');
  }
}

/**
 * Bytes without a row that lack a part of a version: beside the file of that version they get the rest, in lost+found
 * they would not. False: that file is not known.
 */
function keptBeside(orphan: Inode, outbox: Recoverable, view: View, log: Log): boolean {
  const { intents, staging, clock } = outbox;
  const gaps = staging.gapsOf(orphan);
  const item = gaps && view.byRemoteId(gaps.item);
  const folder = item && view.parent(item);
  if (!gaps || !folder || view.path(folder) === undefined) return false;
  const { size } = staging.stat(orphan);
  const now = clock.now();
  const name = nameBeside(item.name, folder.inode, outbox);
  let inode = intents.newInode();
  // An older outbox gives numbers again under which bytes lie here.
  while (staging.has(inode)) inode = intents.newInode();
  staging.rename(orphan, inode);
  const copy = made(inode, folder.inode, name, false, now, 'procorefs');
  const content = { ...copy.content, flushed: true, gaps: within(gaps, size) };
  intents.put({ ...copy, here: { ...copy.here, size }, content, state: 'held', reason: UNRECORDED });
  log.warn({ path: name }, 'bytes that the outbox does not know are kept beside their file');
  return true;
}

/** What is missing of a file that has this size: all beyond it was cut off. */
function within(gaps: Gaps, size: number): Gaps | undefined {
  const missing: number[] = [];
  for (let i = 0; i < gaps.missing.length; i += 2) {
    const [start, end] = [gaps.missing[i]!, Math.min(gaps.missing[i + 1]!, size)];
    if (start < end) missing.push(start, end);
  }
  return missing.length === 0 ? undefined : { ...gaps, missing };
}

/** The mirror's state of a creation whose reply was processed before the daemon died. */
function confirmedCreation(intent: Intent, intents: Intents, view: View) {
  const item = intent.remoteId === NO_REMOTE ? view.item(intent.inode) : undefined;
  if (!item || (item.flags & HIDDEN) !== 0 || intents.ofRemote(item.remoteId)) return undefined;
  const version = item.isFile ? { id: item.versionId, number: item.versionNumber, size: item.size } : undefined;
  const { remoteId: id, parentId, remoteName: name } = item;
  return { id, parentId, name, version };
}
