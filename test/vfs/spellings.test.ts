import t from 'tap';
import { asNodeId, type NodeId } from '#src/base/ids.js';
import type { KernelCache } from '#src/fuse/filesystem.js';
import { type FileSystem, readingTable, writingTable } from '#src/fuse/operations.js';
import { spelledNode, withSpellings } from '#src/vfs/spellings.js';
import { context } from '../support/project.js';

type Functions = Record<string, (...args: unknown[]) => unknown>;

const PLAIN = asNodeId(7);
const SPELLED = spelledNode(PLAIN);
const attributes = { size: 1 };
const entry = { node: PLAIN, attributes, entryTimeout: 9, attributeTimeout: 9 };
/** What the operations of each kind of result answer. */
const answers: Readonly<Record<string, unknown>> = {
  found: entry,
  entry,
  attributes: entry,
  created: { entry, file: { handle: 1 } },
  file: { handle: 1 },
  folder: { handle: 1 },
  page: { entries: [{ name: 'one', cookie: 1, entry, ino: 7, directory: false }], end: true },
  other: 'other',
};

/** A file system whose operations note their arguments; half of them answer with a promise. */
function noting(seen: unknown[][]): FileSystem {
  const half = (rows: Readonly<Record<string, { readonly result: string }>>): Functions =>
    Object.fromEntries(
      Object.entries(rows).map(([name, { result }], n) => [
        name,
        (...args) => {
          seen.push([name, ...args]);
          return n % 2 === 0 ? answers[result] : Promise.resolve(answers[result]);
        },
      ]),
    );
  const lifecycle = { mounted: () => undefined, destroy: () => undefined };
  return { ...half(readingTable), ...lifecycle, writable: half(writingTable) } as unknown as FileSystem;
}

t.test('every operation on another spelling reaches the item, and the kernel keeps nothing of it', async (t) => {
  const seen: unknown[][] = [];
  const told: unknown[][] = [];
  const fileSystem = withSpellings(noting(seen));
  const kernel: KernelCache = {
    canInvalidate: true,
    invalidateNode: async (node, offset) => {
      told.push([node, offset]);
      return true;
    },
    invalidateEntry: async (folder, name) => void told.push([folder, name]),
  };
  fileSystem.mounted(kernel);
  const argumentsWith = (kinds: readonly string[], node: NodeId): unknown[] =>
    kinds.map((kind, at) => {
      if (kind === 'node') return node;
      if (kind === 'position') return { node, handle: at, offset: at };
      return kind === 'context' ? context : kind.endsWith('ame') ? `name ${at}` : at;
    });
  const expected: Readonly<Record<string, unknown>> = {
    found: { ...entry, entryTimeout: 0 },
    entry: { ...entry, entryTimeout: 0 },
    attributes: { ...entry, attributeTimeout: 0 },
    created: { entry: { ...entry, entryTimeout: 0 }, file: { handle: 1 } },
    file: { handle: 1, keepCache: false },
    folder: { handle: 1, keepCache: false },
    page: {
      entries: [{ name: 'one', cookie: 1, entry: { ...entry, entryTimeout: 0 }, ino: 7, directory: false }],
      end: true,
    },
    other: 'other',
  };
  const stale: Record<string, unknown[][]> = {};
  for (const [half, rows] of [
    [fileSystem, readingTable],
    [fileSystem.writable, writingTable],
  ] as const)
    for (const [name, { arguments: kinds, result }] of Object.entries(rows)) {
      const run = (half as unknown as Functions)[name]!;
      const plain = argumentsWith(kinds, PLAIN);
      t.strictSame(await run(...argumentsWith(kinds, PLAIN)), answers[result], `${name} of the item is left alone`);
      t.strictSame(told, [], name);
      t.strictSame(await run(...argumentsWith(kinds, SPELLED)), expected[result], name);
      t.strictSame(
        seen.splice(0),
        [
          [name, ...plain],
          [name, ...plain],
        ],
        `${name} gets the item's own node`,
      );
      if (told.length > 0) stale[name] = told.splice(0);
    }
  const names = (...given: string[]): unknown[][] =>
    given.flatMap((name) => [
      [PLAIN, 0],
      [PLAIN, name],
    ]);
  t.strictSame(stale, {
    release: [[PLAIN, 0]],
    setattr: [[PLAIN, 0]],
    flush: [[PLAIN, 0]],
    fsync: [[PLAIN, 0]],
    create: names('name 1'),
    mkdir: names('name 1'),
    unlink: names('name 1'),
    rmdir: names('name 1'),
    rename: names('name 1', 'name 3'),
  });
});
