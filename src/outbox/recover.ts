import type { Inode } from '../base/ids.js';
import type { Log } from '../base/log.js';
import { HIDDEN } from '../mirror/database/flags.js';
import type { View } from '../mirror/database/view.js';
import { linuxNames } from '../names/linux.js';
import { rebased } from './intents/attempt.js';
import { isNothing } from './intents/changes.js';
import { type Gaps, INTERRUPTED, type Intent, NO_REMOTE, UNSURE } from './intents/intent.js';
import type { Intents } from './intents/intents.js';
import { type LateCalls, PEOPLE } from './intents/late-calls.js';
import type { Durability } from './working/durability.js';
import type { Staging } from './working/staging.js';

interface Recoverable {
  readonly intents: Intents;
  readonly staging: Staging;
  readonly late: LateCalls;
  readonly durability: Pick<Durability, 'place'>;
}

/**
 * Recovers after a crash. Files that were being written are kept and held, and so are files whose bytes were not on
 * stable storage when the machine went down. Files that no row owns go to lost+found. The server may have the same
 * bytes, but nothing shows whether a program wrote to a file by passthrough.
 */
export function recover({ intents, staging, late, durability: { place } }: Recoverable, view: View, log: Log): void {
  const owned = new Set<Inode>();
  const put: Intent[] = [];
  const drop: Inode[] = [];
  for (const known of intents.all()) {
    const path = known.name;
    let intent = known.state === 'uploading' ? { ...known, state: 'held' as const } : known;
    const made = intent.attempted && confirmedCreation(intent, intents, view);
    if (intent.attempted && made) {
      if (!intent.folder) late.passedBy(made);
      intent = rebased(intent, intent.attempted, made);
      if (isNothing(intent)) {
        const { mtime, mode } = intent;
        intents.setAttributes(intent.inode, { versionId: intent.baseVersion, mtime, mode });
        drop.push(intent.inode);
        staging.remove(intent.inode);
        continue;
      }
    }
    const isVolatile = intent.volatile !== undefined && intent.volatile !== place;
    if (intent.staged && !staging.has(intent.inode)) {
      log.error({ path }, 'bytes that were not on the disk yet were lost when the machine went down');
      intent = { ...intent, staged: false, dirty: false, volatile: undefined };
      if (intent.remoteId === NO_REMOTE || isNothing(intent)) {
        // What a call has created from them, or will create, is all that is left: it must not be removed as a late
        // arrival.
        for (const call of callsToMake(intent, { intents, late }, view)) late.forget(call);
        drop.push(intent.inode);
        continue;
      }
    } else if (intent.staged) {
      owned.add(intent.inode);
      const { size, mtimeMs } = staging.detach(intent.inode);
      const { mtimeMs: stagedAt } = staging.stat(intent.inode);
      // Written to after the acknowledgement, by passthrough, and not closed since.
      const isTouched = intent.stagedAt !== 0 && intent.stagedAt !== mtimeMs;
      if (!intent.flushed || isTouched || isVolatile) {
        const reason = intent.flushed && !isTouched ? UNSURE : INTERRUPTED;
        const flushed = intent.flushed && !isTouched;
        const gaps = intent.gaps && within(intent.gaps, size);
        const held = { state: 'held', reason, flushed, size, stagedAt, gaps } as const;
        intent = { ...intent, ...held, volatile: undefined, upload: undefined };
        log.warn({ path, reason }, 'a file is held');
      } else if (intent.stagedAt !== 0 && stagedAt !== mtimeMs) intent = { ...intent, stagedAt };
    } else if (!intent.flushed) {
      // Opened for writing, with nothing acknowledged since: its content is still that of a version.
      intent = { ...intent, flushed: true, state: 'held' };
    }
    if (intent !== known) put.push(intent);
  }
  if (put.length > 0 || drop.length > 0) intents.change(put, drop);
  for (const inode of staging.inodes()) {
    if (owned.has(inode)) continue;
    const path = staging.lose(inode, view.item(inode)?.name ?? 'unknown');
    log.warn({ path }, 'bytes without an owner were moved to lost+found');
  }
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

/** Calls with unknown outcome that were to create this file. */
function callsToMake({ parent, name }: Intent, { intents, late }: Pick<Recoverable, 'intents' | 'late'>, view: View) {
  const parentId = intents.get(parent)?.remoteId ?? view.item(parent)?.remoteId;
  return parentId === undefined ? [] : late.creations(parentId, linuxNames.decode(name), PEOPLE);
}

/** The mirror's state of a creation whose reply was processed before the daemon died. */
function confirmedCreation(intent: Intent, intents: Intents, view: View) {
  const item = intent.remoteId === NO_REMOTE ? view.item(intent.inode) : undefined;
  if (!item || (item.flags & HIDDEN) !== 0 || intents.ofRemote(item.remoteId)) return undefined;
  const version = item.isFile ? { id: item.versionId, number: item.versionNumber, size: item.size } : undefined;
  const { remoteId: id, parentId, remoteName: name } = item;
  return { id, parentId, name, version };
}
