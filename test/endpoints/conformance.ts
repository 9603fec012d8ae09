import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Test } from 'tap';
import { isFailure } from '#src/base/errors.js';
import type { Content, DiscardOptions, Target, TargetItem, Trash, WriteOptions } from '#src/endpoints/target.js';
import { judgeName } from '#src/names/judge.js';
import { CACHED, Contents } from '../support/procore-contents.js';
import { bytesBy } from '../support/random.js';

/** A target on a real server or folder, for the tests of one file. */
export interface Fixture {
  readonly target: Target;
  /** A second look by other means: the bytes of a file as the server has it. */
  readonly peek?: (path: string) => Promise<Buffer>;
  /** The folder of this machine in which the server keeps what is there as it is. */
  readonly files?: string;
  /** Bytes of the longest name that the test's server can keep, where that is less than its protocol allows. */
  readonly longestName?: number;
  /** A name as the target keeps it; as it is, unless told. */
  readonly kept?: (name: string) => string;
  /** Whether what has this name is in listings; everything is, unless told. */
  readonly isListed?: (name: string) => boolean;
  /** Until this is called, listings need not show what was written a moment ago. */
  readonly settle?: () => void;
  /** Takes the server away, as a cut cable would, and brings it back. */
  readonly vanish?: () => Promise<void>;
  readonly comeBack?: () => Promise<void>;
}

export const signal = AbortSignal.timeout(560_000);
setMaxListeners(0, signal);

export const contentOf = (bytes: Buffer, opened: number[] = []): Content => ({
  open: async (start) => {
    opened.push(start);
    return Readable.from(chunks(bytes.subarray(start)), { objectMode: false });
  },
});

function* chunks(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

/** Content that breaks after so many bytes of the whole. */
const breaking = (bytes: Buffer, after: number): Content => ({
  open: async (start) =>
    Readable.from(
      (function* () {
        yield* chunks(bytes.subarray(start, after));
        throw new Error('the source broke');
      })(),
      { objectMode: false },
    ),
});

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

export const write = (target: Target, path: string, bytes: Buffer, more: Partial<WriteOptions> = {}) =>
  target.write(path, contentOf(bytes), { size: bytes.length, signal, ...more });

export const readAll = async (target: Target, path: string, start = 0): Promise<Buffer> =>
  buffer(await target.read(path, { start, signal }));

export async function listed(target: Target, folder: string): Promise<TargetItem[]> {
  const items: TargetItem[] = [];
  for await (const item of target.list(folder, signal)) items.push(item);
  return items;
}

export async function failsWith(t: Test, code: string, work: () => Promise<unknown>, message = code): Promise<void> {
  try {
    await work();
    t.fail(`${message}: it did not fail`);
  } catch (error) {
    t.equal(isFailure(error) ? error.code : String(error), code, message);
  }
}

/** Takes away what is there now, as somebody does who has just seen it. */
export async function discard(target: Target, path: string, options: Partial<DiscardOptions> = {}): Promise<void> {
  const seen = await target.stat(path, signal);
  if (seen) await target.discard(seen, { signal, ...(seen.folder ? { isSeen: () => true } : {}), ...options });
}

/** A symbolic link, as it is listed. */
export const LINK: TargetItem = { path: 'link', name: 'link', folder: false, size: 0, mtime: undefined };

const trashOf = (day: string, days = 30): { readonly trash: Trash } => ({
  trash: { day, days, job: 'a-job', by: 'the job "a"' },
});

/** A few at a time. */
async function together<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const rest = [...all];
  const worker = async (): Promise<void> => {
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: 6 }, worker));
}

const SIZES = [0, 1, 65_537, 3 * 1024 * 1024];
const MTIME = 1_700_000_001;
const NAMES = [
  'plain.txt',
  'with blank.txt',
  ' leading blank',
  'trailing blank ',
  'trailing dot.',
  'Ünïcödé ß 漢字 🏗.pdf',
  'cafe\u0301 (decomposed)',
  '#hash & ?question=1;x',
  'one; two; NT_STATUS_ACCESS_DENIED.txt',
  '100%25 %2F..%2F',
  "it's `a` $(touch x) $HOME",
  'double " quote',
  'back\\slash',
  '..\\up',
  'pipe | colon : star * <angle>',
  '-rf',
  '--delete',
  '!bang',
  '~tilde',
  '[brackets] {braces}',
  'tab\tand\nnewline',
  'escape \u001b[31m',
  '\u202egnp.exe',
  '@at+plus,comma=eq',
  'CON',
  'nul.txt',
  '...',
  '．',
  '‛quote',
  '／slash',
  `${'l'.repeat(200)}.txt`,
  'ü'.repeat(127),
];
const ESCAPES = [
  '..',
  '../x',
  'a/../../x',
  '/etc/passwd',
  'a//b',
  './x',
  'a/.',
  'a/',
  'nul\0byte',
  'half\ud800surrogate',
];

/** What every target must do. The target is empty at first; each test has a folder of its own there. */
export function conformance(t: Test, fixture: () => Fixture): void {
  const target = (): Target => fixture().target;
  const kept = (name: string): string => fixture().kept?.(name) ?? name;
  const isListed = (name: string): boolean => fixture().isListed?.(name) ?? true;
  const shown = (folder: string): Promise<TargetItem[]> => {
    fixture().settle?.();
    return listed(target(), folder);
  };
  const place = async (name: string): Promise<string> => {
    await target().mkdir(name, signal);
    return name;
  };

  t.test('what is written is found, listed and read with its bytes and time', async (t) => {
    const folder = await place('bytes');
    for (const size of SIZES) {
      const path = `${folder}/${size}.bin`;
      const bytes = bytesBy(size, size);
      let last = 0;
      const item = await write(target(), path, bytes, {
        mtime: MTIME,
        hash: { kind: 'sha256', value: sha256(bytes) },
        progress: (done) => (last = done),
      });
      t.match(item, { path, name: `${size}.bin`, folder: false, size });
      if (size > 0) t.equal(last, size, 'progress ends with the last byte');
      if (target().rules.setsTimes)
        t.ok(Math.abs((item.mtime ?? 0) - MTIME) <= target().rules.timeGrain, `the time is kept (${item.mtime})`);
      t.strictSame(await target().stat(path, signal), item, 'stat agrees');
      t.ok((await readAll(target(), path)).equals(bytes), `${size} bytes come back`);
      if (size > 1) t.ok((await readAll(target(), path, size - 1)).equals(bytes.subarray(-1)), 'and the end of them');
      const peek = fixture().peek;
      if (peek) t.ok((await peek(path)).equals(bytes), 'the server has just these bytes');
    }
    const names = (await shown(folder)).map(({ name, size }) => [name, size]);
    t.strictSame(
      names,
      SIZES.map((size) => [`${size}.bin`, size] as const).sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    t.equal(await target().stat(`${folder}/none`, signal), undefined);
    t.equal(await target().stat('none/none', signal), undefined);
    await failsWith(t, 'target-missing', () => readAll(target(), `${folder}/none`));
    if (target().rules.emptyFolders) await failsWith(t, 'target-missing', () => listed(target(), 'none'));
  });

  t.test('content comes whole in each form, and from Procore, be it cached, half cached or not', async (t) => {
    const folder = await place('forms');
    const contents = new Contents();
    t.teardown(() => contents.close());
    const sent: (readonly [name: string, bytes: Buffer, content: Content, options: Partial<WriteOptions>])[] = [];
    for (const [time, options] of [
      ['with its time', { mtime: MTIME }],
      ['without', {}],
    ] as const) {
      const bytes = bytesBy(1, 70_001);
      for (const [form, content] of contents.inForms(bytes)) sent.push([`${form} ${time}`, bytes, content, options]);
      for (const cached of time === 'without' ? [CACHED[0]] : CACHED) {
        const one = await contents.ofProcore(300_001, cached, signal);
        sent.push([`cached ${cached} ${time}`, one.bytes, one.content, { ...options, version: one.version }]);
      }
    }
    // Several at once, as a job has it.
    await together(sent, async ([name, bytes, content, options]) => {
      const path = `${folder}/${name}`;
      const written = target().write(path, content, { size: bytes.length, expected: null, signal, ...options });
      await t.resolveMatch(written, { path, size: bytes.length }, name);
      t.ok((await readAll(target(), path)).equals(bytes), name);
    });
    for (const [at, [form, content]] of contents.inForms(Buffer.from('content')).entries())
      await failsWith(
        t,
        'target-damaged',
        () => target().write(`${folder}/wrong`, content, { size: at === 1 ? 6 : 8, signal }),
        `${form} of another length`,
      );
    t.equal(await target().stat(`${folder}/wrong`, signal), undefined);
  });

  t.test('a name is kept as it is, or refused', async (t) => {
    const folder = await place('names');
    const taken: string[] = [];
    const namesOf = (names: readonly string[]): string[] => names.map(kept).filter(isListed).sort();
    const { longestName = 255 } = fixture();
    // Several at once, as a job has it.
    await together(NAMES, async (name) => {
      if (Buffer.byteLength(kept(name)) > longestName) return;
      const path = `${folder}/${name}`;
      const bytes = Buffer.from(name);
      if (judgeName(target().rules.names, name)) {
        await failsWith(t, 'target-name-refused', () => write(target(), path, bytes), JSON.stringify(name));
        return;
      }
      t.equal((await write(target(), path, bytes)).name, name, JSON.stringify(name));
      t.ok((await readAll(target(), path)).equals(bytes), 'and its bytes are its own');
      taken.push(name);
    });
    t.strictSame(
      (await shown(folder)).map(({ name }) => name),
      namesOf(taken),
      'listed in order',
    );
    t.ok(taken.length >= 15, `${taken.length} of ${NAMES.length} names fit`);
    await target().mkdir('folders', signal);
    await together(taken, (name) => target().mkdir(`folders/${name}`, signal));
    const made = (await shown('folders')).filter((one) => one.folder).map(({ name }) => name);
    if (target().rules.emptyFolders) t.strictSame(made, namesOf(taken), 'folders as well');
    await together(taken, (name) => discard(target(), `${folder}/${name}`));
    t.strictSame(await shown(folder).catch(() => []), [], 'and each is removed by its name');
  });

  t.test('no path leads out of the root', async (t) => {
    await place('escape');
    const bytes = Buffer.from('x');
    for (const bad of ESCAPES)
      for (const path of [bad, `escape/${bad}`]) {
        const shown = JSON.stringify(path);
        await failsWith(t, 'target-name-refused', () => write(target(), path, bytes), `write ${shown}`);
        await failsWith(t, 'target-name-refused', () => target().stat(path, signal), `stat ${shown}`);
        await failsWith(t, 'target-name-refused', () => readAll(target(), path), `read ${shown}`);
        await failsWith(t, 'target-name-refused', () => listed(target(), path), `list ${shown}`);
        await failsWith(t, 'target-name-refused', () => target().mkdir(path, signal), `mkdir ${shown}`);
        const seen = { path, name: 'x', folder: false, size: 1, mtime: 1 };
        await failsWith(t, 'target-name-refused', () => target().discard(seen, { signal }), `discard ${shown}`);
        await failsWith(t, 'target-name-refused', () => target().removeFolder(path, signal), `rmdir ${shown}`);
        await failsWith(t, 'target-name-refused', () => target().move('escape', path, signal), `move to ${shown}`);
        await failsWith(t, 'target-name-refused', () => target().move(path, 'free', signal), `move ${shown}`);
      }
    for (const own of ['part-x', 'trash', 'trash/x', 'aside-x'].flatMap((one) =>
      ['', 'escape/'].map((at) => `${at}.procorefs-${one}`),
    ))
      await failsWith(t, 'target-name-refused', () => write(target(), own, bytes), own);
  });

  t.test('folders are made with those above, and removed when empty', async (t) => {
    await target().mkdir('deep/er/and deeper', signal);
    await target().mkdir('deep/er/and deeper', signal);
    await write(target(), 'deep/er/file', Buffer.from('x'));
    if (target().rules.emptyFolders) {
      t.match(await target().stat('deep/er/and deeper', signal), { folder: true, size: 0, name: 'and deeper' });
      await failsWith(t, 'target-exists', () => target().mkdir('deep/er/file', signal), 'a file is in the way');
      await failsWith(t, 'target-exists', () => write(target(), 'deep/er/and deeper', Buffer.from('x')));
      await failsWith(t, 'target-missing', () => write(target(), 'deep/none/file', Buffer.from('x')));
    }
    await failsWith(t, 'target-not-empty', () => target().removeFolder('deep/er', signal));
    await target().removeFolder('deep/er/and deeper', signal);
    await target().removeFolder('deep/er/and deeper', signal);
    const file = (await target().stat('deep/er/file', signal))!;
    await target().discard(file, { signal });
    await target().discard(file, { signal });
    await target().removeFolder('deep/er', signal);
    t.equal(await target().stat('deep/er', signal), undefined);
  });

  t.test('a file is replaced as a whole, or not at all', async (t) => {
    const path = `${await place('replace')}/file.bin`;
    const [old, fresh] = [bytesBy(1, 200_000), bytesBy(2, 2_500_000)];
    const { size: oldSize } = await write(target(), path, old, { mtime: MTIME });
    const options = { size: fresh.length, mtime: MTIME + 100, signal };
    const ended = new AbortController();
    const aborting: Content = {
      open: async () =>
        Readable.from(
          (async function* () {
            yield fresh.subarray(0, 1_000_000);
            ended.abort(new Error('stopped'));
            yield fresh.subarray(1_000_000);
          })(),
          { objectMode: false },
        ),
    };
    const bad: [string, () => Promise<unknown>][] = [
      ['too short', () => target().write(path, contentOf(fresh.subarray(0, -1)), options)],
      ['too long', () => target().write(path, contentOf(Buffer.concat([fresh, old])), options)],
      ['wrong', () => write(target(), path, fresh, { hash: { kind: 'sha256', value: sha256(old) }, version: 'w' })],
      ['broken', () => target().write(path, breaking(fresh, 1_500_000), { ...options, version: 'b' })],
      ['aborted', () => target().write(path, aborting, { ...options, version: 'a', signal: ended.signal })],
    ];
    for (const [what, work] of bad) {
      await t.rejects(work(), `${what} content is not taken`);
      t.ok((await readAll(target(), path)).equals(old), `${what}: what was there is there`);
      t.strictSame(
        (await shown('replace')).map(({ name }) => name),
        ['file.bin'],
        'and nothing else',
      );
    }
    await failsWith(t, 'target-damaged', bad[0]![1]);
    await failsWith(t, 'target-damaged', bad[2]![1]);
    await failsWith(t, 'target-changed', () => write(target(), path, fresh, { expected: null }));
    await failsWith(t, 'target-changed', () =>
      write(target(), path, fresh, { expected: { size: oldSize + 1, mtime: MTIME } }),
    );
    t.ok((await readAll(target(), path)).equals(old), 'what changed meanwhile is kept');
    const seen = await target().stat(path, signal);
    const item = await write(target(), path, fresh, { expected: { size: oldSize, mtime: seen!.mtime } });
    t.equal(item.size, fresh.length);
    t.ok((await readAll(target(), path)).equals(fresh), 'the new bytes are there');
  });

  t.test('a write that broke goes on, and its bytes are right', async (t) => {
    const path = `${await place('resume')}/file.bin`;
    const bytes = bytesBy(1, 3_000_000);
    const options = { size: bytes.length, mtime: MTIME, version: 'v1', signal };
    await t.rejects(target().write(path, breaking(bytes, 2_000_000), options), /the source broke/);
    t.equal(await target().stat(path, signal), undefined, 'no half file under its name');
    const opened: number[] = [];
    const hash = { kind: 'sha256', value: sha256(bytes) } as const;
    await target().write(path, contentOf(bytes, opened), { ...options, hash });
    t.ok((await readAll(target(), path)).equals(bytes));
    if (target().rules.resumes) t.ok(opened[0]! > 0, `it went on at ${opened[0]}`);
  });

  t.test('what broke off is not continued with bytes that only have its size and time', async (t) => {
    const path = `${await place('unproven')}/file.bin`;
    const [one, two] = [bytesBy(1, 300_000), bytesBy(2, 300_000)];
    const options = { size: one.length, mtime: MTIME, signal };
    await t.rejects(target().write(path, breaking(one, 200_000), options), /the source broke/);
    await target().write(path, contentOf(two), options);
    t.ok((await readAll(target(), path)).equals(two), 'none of the other bytes is among them');
  });

  t.test('two who write to one place at once write into nothing of each other', async (t) => {
    const path = `${await place('writers')}/file.bin`;
    const [one, two] = [bytesBy(1, 300_000), bytesBy(2, 300_000)];
    const options = { size: one.length, mtime: MTIME, version: '1', signal };
    let half = (): void => undefined;
    let goOn = (): void => undefined;
    const isHalf = new Promise<void>((resolve) => (half = resolve));
    const goesOn = new Promise<void>((resolve) => (goOn = resolve));
    const halting: Content = {
      open: async (start) =>
        Readable.from(
          (async function* () {
            yield* chunks(one.subarray(start, 200_000));
            half();
            await goesOn;
            yield* chunks(one.subarray(Math.max(start, 200_000)));
          })(),
          { objectMode: false },
        ),
    };
    const first = target().write(path, halting, { ...options, writer: 'a-job' });
    await isHalf;
    await target().write(path, contentOf(two), { ...options, writer: 'another-job' });
    t.ok((await readAll(target(), path)).equals(two), 'the one that is complete first');
    goOn();
    await first;
    t.ok((await readAll(target(), path)).equals(one), 'and then the other, whole');
  });

  t.test('items move and are renamed, onto free places only', async (t) => {
    await place('move/to');
    const bytes = Buffer.from('moved');
    await write(target(), 'move/a', bytes, { mtime: MTIME });
    await write(target(), 'move/b', bytes);
    await failsWith(t, 'target-exists', () => target().move('move/a', 'move/b', signal));
    await failsWith(t, 'target-missing', () => target().move('move/none', 'move/c', signal));
    await target().move('move/a', 'move/to/c', signal);
    t.equal(await target().stat('move/a', signal), undefined);
    t.ok((await readAll(target(), 'move/to/c')).equals(bytes));
    await target().move('move/to', 'move/folder', signal);
    t.ok((await readAll(target(), 'move/folder/c')).equals(bytes), 'a folder with what is in it');
    await target().move('move/b', 'move/B', signal);
    t.ok(
      (await shown('move')).some(({ name }) => name === kept('B')),
      'b became B',
    );
    if (!target().rules.setsTimes) return;
    await target().setTime('move/B', MTIME + 1000, signal);
    const { mtime } = (await target().stat('move/B', signal))!;
    t.ok(Math.abs(mtime! - MTIME - 1000) <= target().rules.timeGrain, 'times can be set later');
  });

  t.test('the trash keeps what was thrown away, by day, and is never listed', async (t) => {
    await place('waste/sub');
    const january = trashOf('2026-01-01');
    await write(target(), 'waste/file', Buffer.from('one'));
    await discard(target(), 'waste/file', january);
    await write(target(), 'waste/file', Buffer.from('two'));
    await discard(target(), 'waste/file', january);
    await place('waste/file/folder');
    await write(target(), 'waste/file/folder/below', Buffer.from('a folder has its name'));
    await discard(target(), 'waste/file/folder/below', january);
    await write(target(), 'waste/sub/file', Buffer.from('three'));
    fixture().settle?.();
    await discard(target(), 'waste/sub', trashOf('2026-02-01'));
    t.equal(await target().stat('waste/sub/file', signal), undefined);
    const day = (name: string): string => `.procorefs-trash/2026-${name}`;
    const kept = async (path: string): Promise<string> => String(await readAll(target(), day(path)));
    t.equal(await kept('01-01/waste/file'), 'one');
    t.equal(await kept('01-01/waste/file (2)'), 'two');
    t.equal(await kept('01-01/waste/file (3)/folder/below'), 'a folder has its name');
    t.equal(await kept('02-01/waste/sub/file'), 'three');
    t.notOk(
      (await shown('')).some(({ name }) => name.startsWith('.procorefs')),
      'not listed',
    );
    fixture().settle?.();
    t.strictSame(await target().emptyTrash({ today: '2026-02-01', days: 1 }, signal), [
      { day: '2026-01-01', days: 30, jobs: ['a-job'] },
    ]);
    t.equal(await target().stat(day('01-01/waste/file'), signal), undefined);
    t.equal(await kept('02-01/waste/sub/file'), 'three', 'later days stay');
    await target().move(day('02-01/waste/sub'), 'waste/back', signal);
    t.equal(String(await readAll(target(), 'waste/back/file')), 'three', 'and can be brought back');
  });

  t.test(
    'what is in the trash stays as long as was noted when it went there, for every job that empties it',
    async (t) => {
      await place('notes');
      const gone = async (days: number, job: string): Promise<void> => {
        await write(target(), 'notes/file', Buffer.from(job));
        const trash = { day: '2025-03-01', days, job, by: `the job "${job}"` };
        await discard(target(), 'notes/file', { trash });
      };
      await gone(2, 'short');
      await gone(90, 'long');
      await write(target(), 'notes/file', Buffer.from('old'));
      await write(target(), 'notes/file', Buffer.from('new'), trashOf('2025-03-02', 3));
      const empty = async (today: string, days: number) => {
        fixture().settle?.();
        return target().emptyTrash({ today, days }, signal);
      };
      t.strictSame(await empty('2025-03-05', 0), [], 'not yet');
      t.strictSame(await empty('2025-03-20', 1), [{ day: '2025-03-02', days: 3, jobs: ['a-job'] }]);
      t.equal(String(await readAll(target(), '.procorefs-trash/2025-03-01/notes/file')), 'short');
      t.strictSame(await empty('2025-06-01', 1), [{ day: '2025-03-01', days: 90, jobs: ['long', 'short'] }]);
      t.strictSame(await empty('2025-06-01', 1), []);
    },
  );

  t.test('what has a long name comes back where a run was killed, and leaves, under its whole name', async (t) => {
    const name = `${'w'.repeat(200)}.txt`;
    const path = `${await place('whole')}/${name}`;
    const { files } = fixture();
    const folder = files !== undefined && isListed('.procorefs-aside') ? join(files, 'whole') : undefined;
    if (folder !== undefined) {
      // Of another machine, long ago: before the rename or after the next one, and in between.
      const left = (digest: string): string =>
        join(folder, `.procorefs-aside-in-0000-1-1-0-12345678-00000000~9~a-job~${digest}`);
      for (const one of [left('0'), left('1')]) mkdirSync(one, { recursive: true });
      writeFileSync(join(left('1'), name), 'left');
      await shown('whole');
      t.strictSame(
        (await shown('whole')).map((item) => item.name),
        [name],
      );
      t.equal(String(await readAll(target(), path)), 'left');
      t.strictSame(readdirSync(folder), [name]);
      await discard(target(), path);
    }
    const day = trashOf('2026-04-01');
    await write(target(), path, Buffer.from('one'));
    await write(target(), path, Buffer.from('two'), day);
    await discard(target(), path, day);
    await write(target(), path, Buffer.from('three'));
    await discard(target(), path);
    await target().mkdir(path, signal);
    await write(target(), `${path}/below`, Buffer.from('four'));
    fixture().settle?.();
    await discard(target(), path, day);
    t.strictSame(await shown('whole').catch(() => []), []);
    t.equal(String(await readAll(target(), `.procorefs-trash/2026-04-01/whole/${name}`)), 'one');
    if (folder !== undefined) t.strictSame(existsSync(folder) ? readdirSync(folder) : [], [], 'nothing of it is left');
  });

  t.test('nothing is discarded that is not what was seen', async (t) => {
    await place('seen/folder/deep');
    const path = 'seen/folder/file';
    await write(target(), path, Buffer.from('as it was seen'));
    await write(target(), 'seen/folder/deep/other', Buffer.from('other'));
    const file = (await target().stat(path, signal))!;
    const folder = (await target().stat('seen/folder', signal)) ?? { ...file, path: 'seen/folder', folder: true };
    await write(target(), path, Buffer.from('another size'));
    const names = new Set(['seen/folder/file', 'seen/folder/deep']);
    fixture().settle?.();
    for (const options of [{}, trashOf('2026-03-01')]) {
      await failsWith(t, 'target-changed', () => target().discard(file, { signal, ...options }), 'a changed file');
      const isSeen = (below: TargetItem): boolean => names.has(below.path);
      await failsWith(t, 'target-changed', () => target().discard(folder, { isSeen, signal, ...options }), 'a folder');
      await failsWith(t, 'target-not-empty', () => target().discard(folder, { signal, ...options }), 'is it empty');
      t.equal(String(await readAll(target(), path)), 'another size');
      t.equal(String(await readAll(target(), 'seen/folder/deep/other')), 'other');
      t.equal(await target().stat('.procorefs-trash/2026-03-01/seen', signal), undefined);
    }
    await discard(target(), 'seen/folder');
    t.strictSame(await shown('seen').catch(() => []), [], 'and all of it goes that was seen');
  });

  t.test('its test says that it may be written', async (t) => {
    const before = (await shown('')).length;
    t.match(await target().test(signal), { writable: true, root: target().root, kind: String });
    t.equal((await shown('')).length, before, 'and leaves nothing behind');
    const ended = AbortSignal.abort(new Error('no more'));
    await t.rejects(target().stat('x', ended), /no more/);
  });

  t.test('a share that vanishes in the middle of a file: unreachable, then the bytes are right', async (t) => {
    const { vanish, comeBack } = fixture();
    if (!vanish || !comeBack) return;
    const path = `${await place('vanish')}/file.bin`;
    const bytes = bytesBy(1, 12_000_000);
    const hash = { kind: 'sha256', value: sha256(bytes) } as const;
    const half: Content = {
      open: async (start) =>
        Readable.from(
          (async function* () {
            yield* chunks(bytes.subarray(start, 6_000_000));
            await vanish();
            yield* chunks(bytes.subarray(6_000_000));
          })(),
          { objectMode: false },
        ),
    };
    const options = { size: bytes.length, mtime: MTIME, hash, signal };
    await failsWith(t, 'target-unreachable', () => target().write(path, half, options), 'the write');
    await failsWith(t, 'target-unreachable', () => target().stat(path, signal), 'a look');
    await failsWith(t, 'target-unreachable', () => listed(target(), ''), 'a list');
    await comeBack();
    t.equal(await target().stat(path, signal), undefined, 'no half file under its name');
    await target().write(path, contentOf(bytes), options);
    t.ok((await readAll(target(), path)).equals(bytes));
  });
}
