import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CONFLICT_RESOLUTIONS } from '#src/jobs/definition/conflicts.js';
import { DELETE_PROPAGATIONS, TRANSFER_TYPES } from '#src/jobs/definition/words.js';
import type { TargetEndpoint } from '#src/jobs/endpoint.js';
import type { Opener } from '#src/jobs/opener.js';
import { platforms } from '#src/names/platforms.js';
import { type Combination, flat, Reference, type Tree, type Version } from '../support/job-reference.js';
import { contentOf, Folders, folderOpener, trashOf } from '../support/jobs.js';
import type { Scenario } from './scenarios.js';

export const COMBINATIONS: readonly Combination[] = TRANSFER_TYPES.flatMap((type) =>
  CONFLICT_RESOLUTIONS.flatMap((conflicts) => DELETE_PROPAGATIONS.map((deletions) => ({ type, conflicts, deletions }))),
);

/** Each type with each policy, and each two policies together, at least once. */
export const PAIRWISE: readonly Combination[] = COMBINATIONS.filter(
  ({ type, conflicts, deletions }) =>
    (TRANSFER_TYPES.indexOf(type) + CONFLICT_RESOLUTIONS.indexOf(conflicts) + DELETE_PROPAGATIONS.indexOf(deletions)) %
      4 ===
    0,
);

const OLD = 1_600_000_000;

/** `path`: content [@seconds after the oldest time]; undefined: not there; a path that ends in `/` is a folder. */
type Sketch = Readonly<Record<string, string | undefined>>;

const BEFORE: { readonly a: Sketch; readonly b: Sketch } = {
  a: {
    'same.txt': 'same',
    'new-a.txt': 'new at the source',
    'differs-a-later.txt': 'source@20',
    'differs-b-later.txt': 'the source@10',
    'same-size.txt': 'AAAA@5',
    'same-content.txt': 'equal, of another time@3',
    'changes-a.txt': 'one',
    'changes-b.txt': 'two',
    'changes-both-a-later.txt': 'three',
    'changes-both-b-later.txt': 'four',
    'changes-alike.txt': 'five',
    'goes-a.txt': 'six',
    'goes-b.txt': 'seven',
    'goes-both.txt': 'eight',
    'goes-a-changes-b.txt': 'nine',
    'goes-b-changes-a.txt': 'ten',
    'empty-a/': '',
    'empty-goes-a/': '',
    'empty-goes-b/': '',
    'deep/er/one.txt': 'deep one',
    'deep/er/two.txt': 'deep two',
    'folder-goes-a/sub/x.txt': 'x',
    'folder-goes-a/y.txt': 'y',
    'folder-goes-b/sub/x.txt': 'xx',
    'folder-goes-b/y.txt': 'yy',
    'folder-goes-a-grows-b/x.txt': 'xxx',
    'folder-goes-b-grows-a/x.txt': 'xxxx',
    'folder-renamed/x.txt': 'renamed x',
    'becomes-folder.txt': 'a file',
    'becomes-file/x.txt': 'in a folder',
    'becomes-file-alone/x.txt': 'in another folder',
    'becomes-folder-alone.txt': 'another file',
    'na:me?.txt': 'a name that must change',
    'fol:der/x.txt': 'below a name that must change',
    'twin.tmp': 'left out at the source',
    'only-a.tmp': 'left out',
    'folder-goes-b-but/kept.tmp': 'left out, in a folder',
    'folder-goes-b-but/x.txt': 'beside it',
    '.hidden': 'hidden',
    '.hidden-folder/x.txt': 'hidden x',
  },
  b: {
    'same.txt': 'same',
    'new-b.txt': 'new at the destination',
    'differs-a-later.txt': 'destination@10',
    'differs-b-later.txt': 'the destination@20',
    'same-size.txt': 'BBBB@9',
    'same-content.txt': 'equal, of another time@8',
    'empty-b/': '',
    'foreign/x.txt': 'foreign',
    'foreign/deep/y.txt': 'foreign y',
    'twin.tmp': 'left out at the destination',
    'only-b.tmp': 'left out as well',
    '.hidden': 'hidden differently',
    'foreign-but/kept.tmp': 'left out, in a foreign folder',
    'foreign-but/x.txt': 'foreign x',
  },
};

/** After the first run: what people do. `a` is done first. */
const CHANGES: { readonly a: Sketch; readonly b: Sketch } = {
  a: {
    'changes-a.txt': 'one, changed@100',
    'changes-both-a-later.txt': 'three by a@120',
    'changes-both-b-later.txt': 'four by a@110',
    'changes-alike.txt': 'five, both@130',
    'goes-a.txt': undefined,
    'goes-both.txt': undefined,
    'goes-a-changes-b.txt': undefined,
    'goes-b-changes-a.txt': 'ten, changed@100',
    'born-a.txt': 'born@100',
    'born-both-a-later.txt': 'born at a@120',
    'born-both-b-later.txt': 'born at a too@110',
    'empty-goes-a/': undefined,
    'folder-goes-a/': undefined,
    'folder-goes-a-grows-b/': undefined,
    'folder-goes-b-grows-a/new.txt': 'grown@100',
    'folder-renamed/': undefined,
    'folder-has-new-name/x.txt': 'renamed x',
    'becomes-folder.txt': undefined,
    'becomes-folder.txt/x.txt': 'now in a folder@100',
    'becomes-file/': undefined,
    'becomes-file': 'now a file@100',
    'becomes-file-alone/': undefined,
    'becomes-file-alone': 'now a file of its own@100',
    'becomes-folder-alone.txt': undefined,
    'becomes-folder-alone.txt/': '',
    'na:me?.txt': 'a name that must change, changed@100',
    'fol:der/new.txt': 'new below it@100',
    'twin.tmp': 'left out, changed@100',
  },
  b: {
    'changes-b.txt': 'two, changed@100',
    'changes-both-a-later.txt': 'three by b!@110',
    'changes-both-b-later.txt': 'four by b!@120',
    'changes-alike.txt': 'five, both@140',
    'goes-b.txt': undefined,
    'goes-both.txt': undefined,
    'goes-a-changes-b.txt': 'nine, changed@100',
    'goes-b-changes-a.txt': undefined,
    'born-b.txt': 'born here@100',
    'born-both-a-later.txt': 'born at b!!@110',
    'born-both-b-later.txt': 'born at b, too!!@120',
    'empty-goes-b/': undefined,
    'folder-goes-b/': undefined,
    'folder-goes-a-grows-b/new.txt': 'grown here@100',
    'folder-goes-b-grows-a/': undefined,
    'folder-goes-b-but/': undefined,
    'becomes-file-alone/': undefined,
    'becomes-folder-alone.txt': undefined,
    'only-b.tmp': undefined,
  },
};

const excluded = (name: string): boolean => name.endsWith('.tmp') || name.startsWith('.');
/** How names get across to a Windows share. */
const other = (name: string): string => name.replace(/[:?]/g, '-');

/** Folders whose names follow the rules of Windows, at the destination. */
const opener: Opener = {
  ...folderOpener,
  async open(reference, request) {
    const side = await folderOpener.open(reference, request);
    if (!request.create) return side;
    Object.defineProperty(side, 'rules', { value: { ...(side as TargetEndpoint).rules, names: platforms.ntfs } });
    return side;
  },
};

/** Runs one combination three times over the same folders; after each run they must be as the reference has them. */
export async function goldenFolders(t: Scenario, combination: Combination): Promise<void> {
  const { type, conflicts, deletions } = combination;
  const folders = new Folders(t, opener);
  const reference = new Reference({ ...combination, excluded, other });
  const wanted: { a: Tree; b: Tree } = { a: {}, b: {} };
  const job = folders.add({
    transfer_type: type,
    conflict_resolution: conflicts,
    delete_propagation: deletions,
    delete_guard: false,
    filter: {
      source: [{ action: 'exclude', rules: [{ type: 'filter_extension', extensions: ['tmp'] }] }],
      destination: [{ action: 'exclude', rules: [{ type: 'filter_hidden' }] }],
    },
  });
  const words = `${type}, conflicts: ${conflicts}, deletions: ${deletions}`;
  for (const [round, changes] of [BEFORE, CHANGES, undefined].entries()) {
    for (const side of ['a', 'b'] as const)
      for (const [path, text] of Object.entries(changes?.[side] ?? {})) {
        const own = side === 'a' ? path : path.split('/').map(other).join('/');
        change(folders[side], own, text);
        sketch(wanted[side], own, text);
      }
    const before = { versions: versionsOf(folders), source: timesOf(folders.a) };
    const run = await folders.run(job.id);
    reference.run(wanted.a, wanted.b);
    const where = `${words}: run ${round + 1}`;
    if (!['completed', 'warn', 'no_changes'].includes(run.status))
      t.ok(false, `${where} is ${run.status}: ${run.reason}`);
    for (const side of ['a', 'b'] as const)
      t.equal(differences(named(contentOf(folders[side])), flat(wanted[side])), '', `${where}: ${side}`);
    const now = new Set(versionsOf(folders));
    t.equal(before.versions.filter((version) => !now.has(version)).join('; '), '', `${where}: nothing is lost`);
    if (type !== 'sync' && type !== 'move')
      t.equal(timesOf(folders.a).join('\n'), before.source.join('\n'), `${where}: the source is untouched`);
    if (round === 2 && type !== 'sync') t.equal(run.stats.deleted, 0, `${where}: nothing is left to delete`);
  }
}

function split(text: string): Version {
  const [, content, after] = /^(.*?)(?:@(\d+))?$/s.exec(text)!;
  return { content: content!, time: OLD + Number(after ?? 0) };
}

function change(root: string, path: string, text: string | undefined): void {
  const full = join(root, path);
  if (text === undefined) {
    rmSync(full, { recursive: true, force: true });
    return;
  }
  mkdirSync(path.endsWith('/') ? full : dirname(full), { recursive: true });
  if (path.endsWith('/')) return;
  const { content, time } = split(text);
  writeFileSync(full, content);
  utimesSync(full, time, time);
}

function sketch(tree: Tree, path: string, text: string | undefined): void {
  const names = path.split('/').filter((name) => name !== '');
  const last = names.pop()!;
  let at = tree;
  for (const name of names) {
    if (text === undefined && !(name in at)) return;
    at = (at[name] ??= {}) as Tree;
  }
  if (text === undefined) delete at[last];
  else if (path.endsWith('/')) at[last] ??= {};
  else at[last] = split(text);
}

/** With the time of a conflict left out of its name. */
const named = (content: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(content).map(([path, text]) => [path.replaceAll(/ \(conflict [^)]*\)/g, ' (conflict)'), text]),
  );

const versionsOf = (folders: Folders): string[] => [
  ...Object.values(contentOf(folders.a)),
  ...Object.values(contentOf(folders.b)),
  ...trashOf(folders.a),
  ...trashOf(folders.b),
];

const timesOf = (folder: string): string[] =>
  (readdirSync(folder, { recursive: true }) as string[]).sort().map((path) => {
    const found = lstatSync(join(folder, path));
    return `${path} ${found.mtimeMs} ${found.isFile() ? readFileSync(join(folder, path), 'utf8') : ''}`;
  });

function differences(found: Record<string, string>, wanted: Record<string, string>): string {
  const paths = [...new Set([...Object.keys(found), ...Object.keys(wanted)])].sort();
  return paths
    .filter((path) => found[path] !== wanted[path])
    .map((path) => `${path} is ${found[path] ?? 'missing'}, not ${wanted[path] ?? 'missing'}`)
    .join('; ');
}
