import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { rulesOf } from '#src/endpoints/rules.js';
import { CONFLICT_RESOLUTIONS } from '#src/jobs/definition/conflicts.js';
import { transferKeys } from '#src/jobs/definition/transfer-schema.js';
import { AUDIT_LEVELS, DELETE_PROPAGATIONS, TRANSFER_TYPES } from '#src/jobs/definition/words.js';
import { decodedName } from '#src/jobs/naming.js';
import { platforms } from '#src/names/platforms.js';
import { type Disguise, Trial } from '../support/job-trial.js';
import { contentOf, put, trashOf } from '../support/jobs.js';

// Each key of a transfer with each of its values: what a run then does, or the reason for which it is refused.
t.jobs = 4;

/** A value of a key, and how one sees that it does what it says. */
interface Row {
  readonly disguise?: Disguise;
  see(trial: Trial, t: Test): Promise<void>;
}

/** The definition is refused, the key named. */
const refused = (transfer: object, why: RegExp): Row => ({
  async see(trial, t) {
    t.throws(() => trial.add({ ...transfer }), { code: 'job-refused', details: { why } });
    t.equal(trial.store.list().length, 0, 'no job is kept');
  },
});

/** A run cannot start, the key named, and nothing is touched. */
const refusedByRun = (transfer: object, why: RegExp, disguise: Disguise = {}): Row => ({
  disguise,
  async see(trial, t) {
    put(trial.a, { 'one.txt': '1' });
    t.match(await trial.ran({ ...transfer }), { status: 'failed_to_start', reason: why });
    t.strictSame(contentOf(trial.b), {});
  },
});

const windows = { ...platforms.smb, nameLength: { most: 20, unit: 'utf16' as const } };
const WINDOWS = rulesOf('smb', { names: windows });

/** Both sides change the same file after a first run. */
const conflict = (word: string, see: (files: Record<string, string>, t: Test, status: string) => void): Row => ({
  async see(trial, t) {
    put(trial.a, { 'one.txt': '1' });
    const job = trial.add({ conflict_resolution: word });
    await trial.run(job.id);
    put(trial.a, { 'one.txt': 'source' }, 1_600_000_100);
    put(trial.b, { 'one.txt': 'destination' }, 1_600_000_200);
    const { status } = await trial.run(job.id);
    t.equal(contentOf(trial.a)['one.txt'], 'source', 'a copy leaves the source as it is');
    see(contentOf(trial.b), t, status);
  },
});

/** What is left after one file was deleted at either side of a sync. */
const deletions = (word: string, left: { a: string[]; b: string[] }): Row => ({
  async see(trial, t) {
    put(trial.a, { 'at-a.txt': 'a', 'at-b.txt': 'b', 'kept.txt': 'k' });
    const job = trial.add({ transfer_type: 'sync', delete_propagation: word });
    await trial.run(job.id);
    rmSync(join(trial.a, 'at-a.txt'));
    rmSync(join(trial.b, 'at-b.txt'));
    await trial.run(job.id);
    t.strictSame(Object.keys(contentOf(trial.a)), left.a);
    t.strictSame(Object.keys(contentOf(trial.b)), left.b);
  },
});

/** First a.txt is at the source and b.txt at the destination; then a.txt changes and a run follows. */
const type = (word: string, first: [object, object], then: [object, object] = first): Row => ({
  async see(trial, t) {
    put(trial.a, { 'd/a.txt': 'a' });
    put(trial.b, { 'b.txt': 'b' });
    const job = trial.add({ transfer_type: word, conflict_resolution: 'source' });
    await trial.run(job.id);
    t.strictSame([contentOf(trial.a), contentOf(trial.b)], first);
    put(trial.a, { 'd/a.txt': 'aa' }, 1_600_000_100);
    await trial.run(job.id);
    t.strictSame([contentOf(trial.a), contentOf(trial.b)], then);
  },
});

/** Names that a file of the source gets; none: it is flagged. */
const names = (transfer: object, from: string, to: string | undefined, rules = WINDOWS): Row => ({
  disguise: { rules },
  async see(trial, t) {
    put(trial.a, { [from]: 'x' });
    const run = await trial.ran({ ...transfer });
    t.strictSame(Object.keys(contentOf(trial.b)), to === undefined ? [] : [to]);
    t.equal(run.status, to === undefined ? 'warn' : 'completed');
    if (to !== undefined && to !== from)
      t.match(readFileSync(join(run.stats.report!, 'manifest.csv'), 'utf8'), to, 'it is in the manifest');
  },
});

const TREE = { 'a.pdf': '1', 'd/b.txt': '22222', 'd/.hidden': '3', 'e/c.pdf': '4' };
const filter = (rule: object, included: string[]): Row => ({
  disguise: { items: { 'e/c.pdf': { private: true } } },
  async see(trial, t) {
    put(trial.a, TREE);
    put(trial.a, { 'e/c.pdf': '4' }, 1_700_000_000);
    const of = (action: string) => ({
      filter: { source: [{ action, rules: [rule] }] },
      empty_containers: 'skip',
    });
    await trial.ran(of('include'));
    t.strictSame(Object.keys(contentOf(trial.b)), included, 'included');
    rmSync(trial.b, { recursive: true });
    await trial.ran(of('exclude'));
    t.strictSame(
      Object.keys(contentOf(trial.b)),
      Object.keys(contentOf(trial.a)).filter((path) => !included.includes(path)),
      'excluded',
    );
  },
});

/** Of a run that ends with a warning: one file is too large, one is copied at the second attempt. */
const audited = (word: string, events: readonly string[]): Row => ({
  disguise: { busy: 1, rules: { maxFileSize: 3 } },
  async see(trial, t) {
    put(trial.a, { 'large.txt': 'large', 'one.txt': '1' });
    const run = await trial.ran({ audit_level: word });
    const found = [...trial.store.auditOf(run.id)].map(
      ({ level, event }) => `${event}${level === 'trace' ? ' repeated' : ''}`,
    );
    t.strictSame(found.sort(), events);
  },
});

const rate = (performance: object): Row => ({
  async see(trial, t) {
    put(trial.a, { 'one.bin': 'x'.repeat(60_000) });
    const start = Date.now();
    await trial.ran({ performance });
    const ms = Date.now() - start;
    t.ok(ms >= 400, `60 kB at 100 kB/s take ${ms} ms`);
    t.equal(statSync(join(trial.b, 'one.bin')).size, 60_000);
  },
});
const SLOW = { bytes_per_second: 100_000 };

const writes = (parallel_writes: object, most: number, rules: Disguise['rules'] = { parallelWrites: 64 }): Row => ({
  // More than are expected would begin while these are slow.
  disguise: { slow: 50, together: most, rules },
  async see(trial, t) {
    put(trial.a, Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`${n}.txt`, 'x'])));
    t.match(await trial.ran({ performance: { parallel_writes } }), { stats: { copied: 12 } });
    t.equal(trial.writes.most, most, 'writes at once');
  },
});

const times = (transfer: object, are: 'kept' | 'new'): Row => ({
  async see(trial, t) {
    put(trial.a, { 'one.txt': '1' });
    await trial.ran({ ...transfer });
    t.equal(statSync(join(trial.b, 'one.txt')).mtimeMs === 1_600_000_000_000, are === 'kept');
  },
});

const A = { 'd/a.txt': 'a' };
const AA = { 'd/a.txt': 'aa' };
const B = { 'b.txt': 'b' };

const rows: Readonly<Record<string, Readonly<Record<string, Row>>>> = {
  transfer_type: {
    sync: type(
      'sync',
      [
        { ...B, ...A },
        { ...B, ...A },
      ],
      [
        { ...B, ...AA },
        { ...B, ...AA },
      ],
    ),
    copy: type('copy', [A, { ...B, ...A }], [AA, { ...B, ...AA }]),
    move: type('move', [{}, { ...B, ...A }], [{}, { ...B, ...AA }]),
    migrate: type('migrate', [A, { ...B, ...A }], [AA, { ...B, ...A }]),
    publish: type('publish', [A, A], [AA, AA]),
    taxonomy: type('taxonomy', [A, { ...B, 'd/': '' }], [AA, { ...B, 'd/': '' }]),
    'taxonomy where there are no empty folders': refusedByRun(
      { transfer_type: 'taxonomy' },
      /transfer_type: "taxonomy" makes folders alone/,
      { rules: { emptyFolders: false } },
    ),
    clone: refused({ transfer_type: 'clone' }, /transfer_type/),
  },
  conflict_resolution: {
    copy: conflict('copy', (files, t) => {
      t.equal(files['one.txt'], 'source');
      t.strictSame(Object.values(files).sort(), ['destination', 'source'], 'both are kept');
    }),
    latest: conflict('latest', (files, t) => t.strictSame(files, { 'one.txt': 'destination' })),
    source: conflict('source', (files, t) => t.strictSame(files, { 'one.txt': 'source' })),
    destination: conflict('destination', (files, t) => t.strictSame(files, { 'one.txt': 'destination' })),
    failure: conflict('failure', (files, t, status) => {
      t.strictSame(files, { 'one.txt': 'destination' });
      t.equal(status, 'warn');
    }),
  },
  delete_propagation: {
    mirror: deletions('mirror', { a: ['kept.txt'], b: ['kept.txt'] }),
    ignore_source: deletions('ignore_source', { a: ['at-a.txt', 'kept.txt'], b: ['at-a.txt', 'kept.txt'] }),
    ignore_destination: deletions('ignore_destination', { a: ['at-b.txt', 'kept.txt'], b: ['at-b.txt', 'kept.txt'] }),
    ignore_both: deletions('ignore_both', {
      a: ['at-a.txt', 'at-b.txt', 'kept.txt'],
      b: ['at-a.txt', 'at-b.txt', 'kept.txt'],
    }),
  },
  segment_transform: {
    true: names({ segment_transform: true }, 'a?b.txt', 'a-b.txt'),
    '1': names({ segment_transform: 1 }, 'a?b.txt', 'a-b.txt'),
    false: names({ segment_transform: false }, 'a?b.txt', undefined),
    'left out': names({}, 'a?b.txt', 'a-b.txt'),
    'left out, into Procore': names({}, 'a?b.txt', undefined, rulesOf('procore')),
    'true, into Procore': names({ segment_transform: true }, 'a?b.txt', 'a-b.txt', rulesOf('procore')),
    sometimes: refused({ segment_transform: 'sometimes' }, /segment_transform/),
  },
  encode_invalid_characters: {
    true: {
      disguise: { rules: WINDOWS },
      async see(trial, t) {
        put(trial.a, { 'a?b.txt': 'x' });
        await trial.ran({ encode_invalid_characters: true, segment_transform: false });
        const [name] = Object.keys(contentOf(trial.b));
        t.not(name, 'a?b.txt');
        t.equal(decodedName(WINDOWS, name!), 'a?b.txt', 'it tells what it was');
      },
    },
    false: names({ encode_invalid_characters: false, segment_transform: false }, 'a?b.txt', undefined),
  },
  segment_truncate: {
    true: names({ segment_truncate: true }, `${'x'.repeat(30)}.txt`, `${'x'.repeat(16)}.txt`),
    false: names({ segment_truncate: false }, `${'x'.repeat(30)}.txt`, undefined),
  },
  duplicate_names: Object.fromEntries(
    [
      ['rename', ['A.txt', 'a (1).txt']],
      ['warn', ['A.txt']],
    ].map(([word, found]) => [
      word as string,
      {
        disguise: { rules: { caseInsensitive: true } },
        async see(trial: Trial, t: Test) {
          put(trial.a, { 'A.txt': '1', 'a.txt': '2' });
          const run = await trial.ran({ duplicate_names: word });
          t.strictSame(Object.keys(contentOf(trial.b)), found);
          t.equal(run.status, word === 'warn' ? 'warn' : 'completed');
        },
      },
    ]),
  ),
  empty_containers: {
    create: {
      async see(trial, t) {
        put(trial.a, { 'empty/': '', 'full/a.txt': 'a' });
        await trial.ran({ empty_containers: 'create' });
        t.strictSame(contentOf(trial.b), { 'empty/': '', 'full/a.txt': 'a' });
      },
    },
    skip: {
      async see(trial, t) {
        put(trial.a, { 'empty/': '', 'full/a.txt': 'a' });
        await trial.ran({ empty_containers: 'skip' });
        t.strictSame(contentOf(trial.b), { 'full/a.txt': 'a' });
      },
    },
    'skip, of folders alone': {
      async see(trial, t) {
        put(trial.a, { 'empty/': '', 'full/a.txt': 'a' });
        await trial.ran({ empty_containers: 'skip', transfer_type: 'taxonomy' });
        t.strictSame(contentOf(trial.b), { 'full/': '' });
      },
    },
    'create where there are none': {
      disguise: { rules: { emptyFolders: false } },
      async see(trial, t) {
        put(trial.a, { 'empty/': '', 'a.txt': 'a' });
        const job = trial.add({ empty_containers: 'create' });
        t.match(await trial.run(job.id), { status: 'completed', stats: { copied: 1, skipped: 1 } });
        const second = await trial.run(job.id);
        t.equal(second.status, 'no_changes', 'it is not made anew in every run');
        t.match([...trial.store.items(second.id).rows()][0]?.reason, /keeps no empty folders/);
      },
    },
  },
  large_item: Object.fromEntries(
    ['fail', 'skip'].map((word) => [
      word,
      {
        disguise: { rules: { maxFileSize: 3 } },
        async see(trial: Trial, t: Test) {
          put(trial.a, { 'large.txt': 'large', 'one.txt': '1' });
          const run = await trial.ran({ large_item: word });
          const counts = word === 'fail' ? { failed: 1, skipped: 0 } : { failed: 0, skipped: 1 };
          t.match(run, { status: word === 'fail' ? 'warn' : 'completed', stats: { copied: 1, ...counts } });
          t.strictSame(contentOf(trial.b), { 'one.txt': '1' });
        },
      },
    ]),
  ),
  failure_policy: {
    continue: {
      disguise: { rules: { maxFileSize: 3 } },
      async see(trial, t) {
        put(trial.a, { 'large.txt': 'large', 'one.txt': '1' });
        t.match(await trial.ran({ failure_policy: 'continue' }), { status: 'warn', stats: { copied: 1 } });
      },
    },
    'halt, by what the plan shows': {
      disguise: { rules: { maxFileSize: 3 } },
      async see(trial, t) {
        put(trial.a, { 'large.txt': 'large', 'one.txt': '1' });
        const run = await trial.ran({ failure_policy: 'halt' });
        t.match(run, { status: 'failed', reason: /large.txt has 5 bytes/, stats: { copied: 0 } });
        t.strictSame(contentOf(trial.b), {}, 'nothing was begun');
      },
    },
    'halt, by what fails': {
      disguise: { busy: 1 },
      async see(trial, t) {
        put(trial.a, { '1.txt': '1', '2.txt': '2', '3.txt': '3' });
        const one = { retries: 0, parallel_writes: { requested: 1 } };
        const run = await trial.ran({ failure_policy: 'halt', performance: one });
        t.match(run, { status: 'failed', stats: { copied: 0, failed: 1, pending: 2 } });
      },
    },
  },
  versioning: {
    'select latest': times({ versioning: { select: 'latest' } }, 'kept'),
    'preserve none': times({ versioning: { preserve: 'none' } }, 'kept'),
    'select all where one is kept': refusedByRun(
      { versioning: { select: 'all' } },
      /versioning.select: "all" cannot be: a folder keeps one version/,
    ),
    'preserve none and select all': refused({ versioning: { preserve: 'none', select: 'all' } }, /versioning.*"all"/),
    'select some': refused({ versioning: { select: 'some' } }, /versioning.select/),
    'another key': refused({ versioning: { keep: 3 } }, /versioning.keep: no such key/),
  },
  timestamps: {
    'left out': times({}, 'kept'),
    true: times({ timestamps: true }, 'kept'),
    false: times({ timestamps: false }, 'new'),
    'true where they cannot be set': refusedByRun({ timestamps: true }, /timestamps: .* gives times itself/, {
      rules: { setsTimes: false },
    }),
  },
  lock_propagation: {
    ...Object.fromEntries(
      ['ignore', 'skip', false].map((word) => [
        String(word),
        {
          disguise: { items: { 'held.txt': { lockedBy: 'Ann' } } },
          async see(trial: Trial, t: Test) {
            put(trial.a, { 'held.txt': 'h', 'one.txt': '1' });
            const run = await trial.ran({ lock_propagation: word });
            t.match(run.stats, word === 'skip' ? { copied: 1, skipped: 1 } : { copied: 2, skipped: 0 });
          },
        },
      ]),
    ),
    true: refused({ lock_propagation: true }, /lock_propagation: check-outs cannot be carried over/),
  },
  performance: {
    'retries 0': {
      disguise: { busy: 1 },
      async see(trial, t) {
        put(trial.a, { 'one.txt': '1' });
        t.match(await trial.ran({ performance: { retries: 0 } }), { status: 'warn', stats: { failed: 1 } });
      },
    },
    'retries 1': {
      disguise: { busy: 1 },
      async see(trial, t) {
        put(trial.a, { 'one.txt': '1' });
        t.match(await trial.ran({ performance: { retries: 1 } }), { status: 'completed', stats: { copied: 1 } });
      },
    },
    'parallel_writes.requested': writes({ requested: 3 }, 3),
    'parallel_writes.max': writes({ requested: 8, max: 2 }, 2),
    'parallel_writes of the platform': writes({ requested: 8 }, 5, { parallelWrites: 5 }),
    'upload.bytes_per_second': rate({ upload: SLOW }),
    'download.bytes_per_second': rate({ download: SLOW }),
    'upload.window': rate({ upload: { window: [{ time: { hr: 0 }, ...SLOW }] } }),
    'another key': refused({ performance: { threads: 3 } }, /performance.threads: no such key/),
  },
  filter: {
    filter_extension: filter({ type: 'filter_extension', extensions: ['pdf'] }, ['a.pdf', 'e/c.pdf']),
    filter_name: filter({ type: 'filter_name', patterns: ['b.*'] }, ['d/b.txt']),
    filter_path: filter({ type: 'filter_path', patterns: ['d'] }, ['d/.hidden', 'd/b.txt']),
    filter_size: filter({ type: 'filter_size', min: 2 }, ['d/b.txt']),
    filter_date: filter({ type: 'filter_date', after: 1_650_000_000 }, ['e/c.pdf']),
    filter_hidden: filter({ type: 'filter_hidden' }, ['d/.hidden']),
    filter_private: filter({ type: 'filter_private' }, ['e/c.pdf']),
    destination: {
      async see(trial, t) {
        put(trial.a, { 'a.txt': 'a' });
        put(trial.b, { 'foreign.bak': 'f', 'foreign.txt': 'f' });
        const bak = [{ action: 'exclude', rules: [{ type: 'filter_extension', extensions: ['bak'] }] }];
        await trial.ran({ transfer_type: 'publish', filter: { destination: bak } });
        t.strictSame(Object.keys(contentOf(trial.b)), ['a.txt', 'foreign.bak']);
      },
    },
    'another rule': refused(
      { filter: { source: [{ action: 'include', rules: [{ type: 'filter_mood' }] }] } },
      /filter/,
    ),
    'a size without a bound': refused(
      { filter: { source: [{ action: 'include', rules: [{ type: 'filter_size' }] }] } },
      /needs min, max/,
    ),
    'dates that contradict each other': refused(
      { filter: { source: [{ action: 'include', rules: [{ type: 'filter_date', after: 2, before: 1 }] }] } },
      /after ≤ before/,
    ),
    'a pattern that is none': refusedByRun(
      {
        filter: {
          source: [{ action: 'include', rules: [{ type: 'filter_name', patterns: ['{1,2}'.repeat(12)] }] }],
        },
      },
      /stand for over 1000 patterns/,
    ),
  },
  audit_level: {
    none: audited('none', []),
    error: audited('error', []),
    warn: audited('warn', ['flag']),
    info: audited('info', ['begin', 'flag', 'warn']),
    debug: audited('debug', ['begin', 'copy', 'flag', 'warn']),
    trace: audited('trace', ['begin', 'copy', 'copy repeated', 'flag', 'warn']),
    'error, of what fails': {
      disguise: { busy: 1 },
      async see(trial, t) {
        put(trial.a, { 'one.txt': '1' });
        const run = await trial.ran({ audit_level: 'error', performance: { retries: 0 } });
        t.match([...trial.store.auditOf(run.id)], [{ level: 'error', event: 'copy', path: 'one.txt' }]);
      },
    },
  },
  simulation_mode: Object.fromEntries(
    [true, false].map((value) => [
      String(value),
      {
        async see(trial: Trial, t: Test) {
          put(trial.a, { 'one.txt': '1' });
          t.match(await trial.ran({ simulation_mode: value }), { simulation: value });
          t.strictSame(contentOf(trial.b), value ? {} : { 'one.txt': '1' });
        },
      },
    ]),
  ),
  delete_guard: Object.fromEntries(
    [2, false].map((guard) => [
      String(guard),
      {
        async see(trial: Trial, t: Test) {
          put(trial.a, { '1.txt': '1', '2.txt': '2', '3.txt': '3', 'kept.txt': 'k' });
          const job = trial.add({ delete_propagation: 'mirror', delete_guard: guard });
          await trial.run(job.id);
          for (const n of [1, 2, 3]) rmSync(join(trial.a, `${n}.txt`));
          t.match((await trial.run(job.id)).stats, guard === 2 ? { deleted: 0, failed: 3 } : { deleted: 3 });
        },
      },
    ]),
  ),
  trash_days: Object.fromEntries(
    [0, 1].map((days) => [
      String(days),
      {
        async see(trial: Trial, t: Test) {
          put(trial.a, { 'one.txt': '1' });
          const job = trial.add({ trash_days: days });
          await trial.run(job.id);
          put(trial.a, { 'one.txt': '22' }, 1_600_000_100);
          await trial.run(job.id);
          t.strictSame(trashOf(trial.b), days === 0 ? [] : ['1']);
        },
      },
    ]),
  ),
  names_from: {
    'a job': {
      disguise: { rules: WINDOWS },
      async see(trial, t) {
        put(trial.a, { 'a?b.txt': 'x' });
        const out = trial.add();
        await trial.run(out.id);
        t.strictSame(Object.keys(contentOf(trial.b)), ['a-b.txt']);
        const back = trial.add({
          source: { connection: { id: trial.b } },
          destination: { connection: { id: trial.a }, target: { path: '/back' } },
          names_from: out.name,
        });
        // A job that is over is in nobody's way.
        trial.store.setState(out.id, { status: 'complete' });
        await trial.run(back.id);
        t.strictSame(Object.keys(contentOf(join(trial.a, 'back'))), ['a?b.txt']);
      },
    },
    'no job': refusedByRun({ names_from: 'nobody' }, /there is no job "nobody"/),
  },
};

const side = { connection: { id: '/a' } };
const sides: Readonly<Record<string, Row>> = {
  'a key of a target that there is not': refused(
    { source: { ...side, target: { paht: '/sub' } } },
    /source.target.paht: no such key/,
  ),
  'a key of a connection that there is not': refused(
    { source: { connection: { id: '/a', impersonate: 'x' } } },
    /source.connection.impersonate: no such key/,
  ),
  impersonate_as: refused({ source: { ...side, impersonate_as: 'x' } }, /impersonate_as: the Procore API cannot act/),
  'event_position, which only tells': {
    async see(trial, t) {
      put(trial.a, { 'one.txt': '1' });
      const source = { connection: { id: trial.a, name: 'a' }, event_position: '17', size_estimate: 5 };
      const job = trial.add({ source });
      t.strictSame(job.transfer.source, { connection: { id: trial.a }, target: { path: '/' }, size_estimate: 5 });
      t.match(await trial.run(job.id), { status: 'completed' });
    },
  },
};

for (const [key, values] of Object.entries({ ...rows, 'source and destination': sides }))
  t.test(key, async (t) => {
    for (const [value, { disguise, see }] of Object.entries(values))
      await t.test(value, (t) => see(new Trial(t, disguise), t));
  });

t.test('every key and every word has a row', async (t) => {
  t.strictSame(Object.keys(rows).sort(), [...transferKeys].sort());
  for (const [key, words] of Object.entries({
    transfer_type: TRANSFER_TYPES,
    conflict_resolution: CONFLICT_RESOLUTIONS,
    delete_propagation: DELETE_PROPAGATIONS,
    audit_level: AUDIT_LEVELS,
  }))
    for (const word of words) t.ok(Object.hasOwn(rows[key]!, word), `${key}: ${word}`);
});
