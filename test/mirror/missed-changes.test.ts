import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tap from 'tap';
import type { RemoteId } from '#src/base/ids.js';
import { openDatabase } from '#src/database/open.js';
import { mirrorOptions } from '#src/mirror/database/files.js';
import { POLLS_MISS } from '#src/mirror/database/missed-changes.js';
import { Writer } from '#src/mirror/database/writer.js';
import type { RemoteItem } from '#src/procore/items.js';

const MADE = 1_000;
/** When the mirror saw everything first. */
const SEEN = 1_010;
/** When something happened at the server, and when a reply tells it. */
const HAPPENED = 1_100;
const TOLD = 1_105;
/** From one reply to the next. */
const LATER = 100;

const [ROOT, TOP, INNER, FILE] = [1, 2, 3, 4];

type Facts = Partial<Pick<RemoteItem, 'name' | 'updatedAt' | 'deleted'>> & { readonly parent?: number };

function row(id: number, parent: number | undefined, facts: Facts = {}): RemoteItem {
  const { parent: otherParent, ...others } = facts;
  const at = otherParent ?? parent;
  return {
    id: id as RemoteId,
    name: `item ${id}`,
    updatedAt: MADE,
    createdAt: MADE,
    deleted: false,
    recycleBin: false,
    private: false,
    readOnly: false,
    ...(at === undefined ? {} : { parentId: at as RemoteId }),
    ...(id === FILE ? { type: 'file' } : { type: 'folder' }),
    ...others,
  } as RemoteItem;
}

const root = (facts?: Facts) => row(ROOT, undefined, facts);
const top = (facts?: Facts) => row(TOP, ROOT, facts);
const inner = (facts?: Facts) => row(INNER, TOP, facts);
const file = (facts?: Facts) => row(FILE, INNER, facts);

interface Learned {
  readonly polls: 'miss' | 'show all';
  /** Folders that must be listed. */
  readonly unlisted: readonly unknown[];
}

/** What replies tell, oldest first. */
function learned(
  t: Pick<typeof tap, 'teardown'>,
  replies: readonly (readonly RemoteItem[])[],
  of: 'one poll' | 'polls' = 'polls',
): Learned {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-missed-'));
  const db = openDatabase(join(folder, 'mirror.db'), mirrorOptions);
  t.teardown(() => {
    db.close();
    rmSync(folder, { recursive: true });
  });
  const writer = new Writer(db);
  writer.ingest([root(), top(), inner(), file()], SEEN, undefined, {});
  for (const [n, reply] of replies.entries()) {
    const time = of === 'one poll' ? TOLD : TOLD + n * LATER;
    writer.ingest(reply, time, undefined, {});
    if (of === 'polls' || n === replies.length - 1) writer.polled(time);
  }
  const isMissed = db.prepare('SELECT value FROM meta WHERE key = ?').get(POLLS_MISS) !== undefined;
  return {
    polls: isMissed ? 'miss' : 'show all',
    unlisted: db.prepare('SELECT remote_id FROM unlisted ORDER BY 1').pluck().all(),
  };
}

const polls = (t: Pick<typeof tap, 'teardown'>, ...replies: (readonly RemoteItem[])[]): Learned['polls'] =>
  learned(t, replies).polls;

tap.test('what goes or comes back with its folder is not updated itself, and that proves nothing', async (t) => {
  const gone = { deleted: true };
  const goes = [file(gone), inner(gone), top({ ...gone, updatedAt: HAPPENED })];
  t.equal(polls(t, goes), 'show all');
  t.equal(polls(t, goes.toReversed()), 'show all', 'in whatever order');
  const back = [file(), inner(), top({ updatedAt: HAPPENED + LATER })];
  t.equal(polls(t, goes, back), 'show all', 'restored');
});

tap.test(
  'what goes, comes back, gets another name or folder alone and does not count as updated: polls miss it',
  async (t) => {
    t.equal(polls(t, [file({ deleted: true })]), 'miss');
    t.equal(polls(t, [inner(), top(), file({ deleted: true })]), 'miss');
    t.equal(
      polls(t, [file({ deleted: true, updatedAt: HAPPENED })], [file({ updatedAt: HAPPENED })]),
      'miss',
      'restored',
    );
    t.equal(polls(t, [file({ name: 'other' })]), 'miss');
    t.equal(polls(t, [file({ parent: TOP })]), 'miss');
    t.equal(polls(t, [file({ deleted: true, updatedAt: HAPPENED })]), 'show all', 'where it does');
  },
);

tap.test('a second change within the second of the first proves nothing', async (t) => {
  const seenAtOnce = [file({ name: 'first', updatedAt: TOLD })];
  const second = [file({ name: 'second', updatedAt: TOLD })];
  t.equal(polls(t, seenAtOnce, second), 'show all');
  t.equal(polls(t, seenAtOnce, seenAtOnce, second), 'miss', 'what was still so later was changed in another second');
});

tap.test('a folder that polls miss is found by what goes with it', async (t) => {
  t.equal(polls(t, [file({ deleted: true }), inner({ deleted: true }), top({ deleted: true })]), 'miss');
});

tap.test('folders in a circle prove nothing, and end', async (t) => {
  t.equal(polls(t, [top({ parent: INNER, updatedAt: HAPPENED })], [file({ deleted: true })]), 'show all');
});

tap.test(
  'a reply from between the deletion of a folder and its restoring: what is in it is looked at again',
  async (t) => {
    const gone = { deleted: true };
    const between = [file(gone), inner(gone), top({ updatedAt: TOLD - 1 })];
    t.strictSame(learned(t, [between]), { polls: 'show all', unlisted: [TOP] });
    t.strictSame(learned(t, [between.toReversed()]), { polls: 'show all', unlisted: [TOP] }, 'in whatever order');
    const [first, ...others] = between;
    t.strictSame(learned(t, [others, [first!]]), { polls: 'show all', unlisted: [TOP] }, 'one after the other');
    t.strictSame(learned(t, [[file(gone), inner({ updatedAt: TOLD })]]), { polls: 'show all', unlisted: [INNER] });
    t.strictSame(
      learned(t, [[file(gone), top({ updatedAt: HAPPENED })]]),
      { polls: 'miss', unlisted: [] },
      'long before',
    );
  },
);

tap.test('the same where the folder comes a reply later, or the last change was a moment ago', async (t) => {
  const gone = { deleted: true };
  const back = top({ updatedAt: TOLD - 1 });
  t.strictSame(learned(t, [[file(gone), inner(gone)], [back]], 'one poll'), { polls: 'show all', unlisted: [TOP] });
  const seenAtOnce = [inner({ updatedAt: TOLD })];
  const goes = [inner({ ...gone, updatedAt: TOLD }), top({ updatedAt: TOLD + LATER })];
  t.strictSame(learned(t, [seenAtOnce, goes]), { polls: 'show all', unlisted: [TOP] });
});
