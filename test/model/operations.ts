import fc from '../support/properties.js';
import type { Flags, How } from './tree.js';

/** One step of somebody here, or of the server. Numbers choose among what there is at that time. */
export type FileStep =
  | { readonly op: 'write'; readonly path: string; readonly text: string; readonly how: How }
  | { readonly op: 'truncate'; readonly path: string; readonly size: number }
  | { readonly op: 'mkdir' | 'unlink' | 'rmdir' | 'read' | 'list' | 'stat'; readonly path: string }
  | { readonly op: 'rename'; readonly path: string; readonly to: string }
  | { readonly op: 'chmod'; readonly path: string; readonly mode: number }
  | { readonly op: 'utimens'; readonly path: string; readonly mtime: number }
  | { readonly op: 'open'; readonly path: string; readonly flags: Flags };
export type HandleStep =
  | { readonly op: 'handle-read'; readonly handle: number; readonly offset: number; readonly length: number }
  | { readonly op: 'handle-write'; readonly handle: number; readonly offset: number; readonly text: string }
  | { readonly op: 'handle-truncate'; readonly handle: number; readonly size: number }
  | { readonly op: 'handle-chmod'; readonly handle: number; readonly mode: number }
  | { readonly op: 'handle-utimens'; readonly handle: number; readonly mtime: number }
  | { readonly op: 'handle-size' | 'handle-sync' | 'handle-close'; readonly handle: number };
export type LocalStep = FileStep | HandleStep;
export interface RemoteStep {
  readonly op: 'remote';
  readonly change: 'create' | 'update' | 'delete' | 'move';
  /** Which item, and which folder for it. */
  readonly item: number;
  readonly folder: number;
  readonly name: string;
  readonly isFolder: boolean;
  readonly text: string;
}
export type Step = LocalStep | RemoteStep | { readonly op: 'drain' | 'drain-begin' | 'unmount' | 'kill' };

const NAMES = ['a', 'b', 'c', 'd.txt'];
/** Refused, but for the last one below the root: that is too long. */
const REFUSED = ['a:b', 'x?', 'a .txt', 'a.txt ', 'c|d', 'n'.repeat(254)];
const MODES = [0o600, 0o640, 0o644, 0o755];
/** Longest offset at which somebody writes beyond the end. */
const SPARSE = 9000;

const path = fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const newPath = fc.oneof(
  { weight: 30, arbitrary: path },
  { weight: 1, arbitrary: fc.tuple(path, fc.constantFrom(...REFUSED)).map((parts) => parts.join('/')) },
);
const text = fc.string({ maxLength: 20 });
const size = fc.oneof({ weight: 5, arbitrary: fc.nat(30) }, { weight: 1, arbitrary: fc.nat(SPARSE) });

const READ: Flags = { read: true, write: false, create: false, exclusive: false, append: false, truncate: false };
const WAYS: readonly Flags[] = [
  READ,
  { ...READ, write: true },
  { ...READ, write: true, create: true },
  { ...READ, write: true, create: true, exclusive: true },
  { ...READ, read: false, write: true, append: true },
  { ...READ, write: true, create: true, append: true },
  { ...READ, read: false, write: true, create: true, truncate: true },
];

const handle = fc.nat(7);
const one = <T extends Step>(weight: number, shape: { [Key in keyof T]: fc.Arbitrary<T[Key]> }) => ({
  weight,
  arbitrary: fc.record(shape) as unknown as fc.Arbitrary<Step>,
});
const op = <T extends string>(...names: T[]) => fc.constantFrom(...names);

const local = [
  one(14, {
    op: op('write'),
    path: newPath,
    text,
    how: fc.oneof(fc.constantFrom('replace' as const, 'append' as const), size),
  }),
  one(3, { op: op('truncate'), path, size }),
  one(9, { op: op('mkdir'), path: newPath }),
  one(5, { op: op('unlink'), path }),
  one(4, { op: op('rmdir'), path }),
  one(6, { op: op('read'), path }),
  one(2, { op: op('list'), path }),
  one(4, { op: op('stat'), path }),
  one(16, { op: op('rename'), path, to: newPath }),
  one(2, { op: op('chmod'), path, mode: fc.constantFrom(...MODES) }),
  one(2, { op: op('utimens'), path, mtime: fc.integer({ min: 1_000_000_000, max: 1_700_000_000 }) }),
  one(5, { op: op('open'), path: newPath, flags: fc.constantFrom(...WAYS) }),
  one(3, { op: op('handle-read'), handle, offset: size, length: fc.integer({ min: 1, max: SPARSE }) }),
  one(4, { op: op('handle-write'), handle, offset: size, text: fc.string({ minLength: 1, maxLength: 20 }) }),
  one(2, { op: op('handle-truncate'), handle, size }),
  one(1, { op: op('handle-chmod'), handle, mode: fc.constantFrom(...MODES) }),
  one(1, { op: op('handle-utimens'), handle, mtime: fc.integer({ min: 1_000_000_000, max: 1_700_000_000 }) }),
  one(2, { op: op('handle-size', 'handle-sync'), handle }),
  one(3, { op: op('handle-close'), handle }),
];

/** What programs do here alone. */
export const localStep = fc.oneof(...local) as fc.Arbitrary<LocalStep>;

/** With the server, other people, and a daemon that ends: rarely, since each takes its time. */
export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 200, arbitrary: localStep as fc.Arbitrary<Step> },
  one(20, {
    op: op('remote'),
    change: fc.constantFrom('create', 'create', 'update', 'update', 'delete', 'move', 'move'),
    item: fc.nat(),
    folder: fc.nat(),
    name: fc.constantFrom(...NAMES, 'r.txt'),
    isFolder: fc.boolean(),
    text: fc.string({ maxLength: 9 }),
  } as never),
  { weight: 3, arbitrary: fc.record({ op: op('drain') }) },
  { weight: 3, arbitrary: fc.record({ op: op('drain-begin') }) },
);
export const stepWithRestarts: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1500, arbitrary: step },
  { weight: 1, arbitrary: fc.record({ op: op('unmount') }) },
  { weight: 2, arbitrary: fc.record({ op: op('kill') }) },
);
