import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { TreeEntry } from '../simulator.js';
import { isGone } from './directory.js';
import type { Place, Written } from './people.js';

/** Bytes, more than anything has that is written here. */
const LARGEST = 200_000;

/** What libfuse 2 makes of a file that is removed while it is open; of what the server does not have it stays here. */
const staysHere = (name: string): boolean => name.startsWith('.fuse_hidden');

export type Truth = ReadonlyMap<string, TreeEntry>;

const childrenOf = (truth: Truth, folder: string): string =>
  [...truth.keys()]
    .filter((path) => dirname(path) === (folder === '' ? '.' : folder))
    .map((path) => path.slice(folder === '' ? 0 : folder.length + 1))
    .sort()
    .join(' ');

/**
 * How what a mount shows differs from what the server has, in words; '' where it does not. What is believed of before is
 * asked first: names, then what is kept open, and a walk that asks for all anew last.
 */
export async function disagreement(
  place: Place,
  truth: Truth,
  known: Iterable<string>,
  written: Written,
): Promise<string> {
  for (const path of known) {
    const wrong = await nameDiffers(place, truth.get(path), path);
    if (wrong) return wrong;
  }
  const inodes = new Map<number, string>();
  for (const path of ['', ...truth.keys()]) inodes.set((await fs.lstat(join(place.root, path))).ino, path);
  return (
    foldersDiffer(place, truth, inodes) ||
    (await pathsDiffer(place, truth, inodes, written)) ||
    (await filesDiffer(place, written)) ||
    (await walkDiffers(place, truth))
  );
}

/**
 * What the server has, by the paths that a mount shows: while two had one name, one of them got another here, and keeps it.
 */
export async function shownAs(place: Place, truth: Truth): Promise<Truth> {
  const shown = new Map<string, TreeEntry>();
  const folders = new Map([['.', '']]);
  for (const entry of [...truth.values()].sort((a, b) => a.path.split('/').length - b.path.split('/').length)) {
    const folder = folders.get(dirname(entry.path)) ?? '';
    const name = basename(entry.path);
    const other = join(folder, `${name} (${entry.id})`);
    const path = (await unlessGone(fs.lstat(join(place.root, other)))) ? other : join(folder, name);
    shown.set(path, { ...entry, path });
    if (entry.type === 'folder') folders.set(entry.path, path);
  }
  return shown;
}

async function nameDiffers(place: Place, wanted: TreeEntry | undefined, path: string): Promise<string> {
  const found = await fs.lstat(join(place.root, path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
  if (!found) return wanted ? `${path} is not there` : '';
  if (!wanted) return `${path} is there`;
  if (found.isDirectory() !== (wanted.type === 'folder')) return `${path} is of another type`;
  if (wanted.type === 'file' && found.size !== wanted.size)
    return `${path} has ${found.size} bytes, not ${wanted.size}`;
  return '';
}

/** Folders that are kept open: what is left to read is there, and from the start it is all that there is. */
function foldersDiffer(place: Place, truth: Truth, inodes: ReadonlyMap<number, string>): string {
  for (const directory of place.directories) {
    const path = inodes.get(directory.inode ?? 0);
    if (path === undefined) continue;
    const wanted = childrenOf(truth, path);
    const gone = directory.rest().filter((name) => !truth.has(join(path, name)) && !staysHere(name));
    // libfuse 2 reads a folder whole, and goes on with that until it is rewound.
    if (place.isKernelDriver && gone.length > 0)
      return `reading on in ${path} shows ${gone.join(' ')}, and there is ${wanted}`;
    directory.rewind();
    const listed = directory.rest().filter((name) => !staysHere(name) || truth.has(join(path, name)));
    const found = listed.sort().join(' ');
    if (found !== wanted) return `${path}, rewound, shows ${found}, and there is ${wanted}`;
  }
  return '';
}

/**
 * A handle of a name alone has the attributes of the item, as long as that is there, or is the version that it was opened
 * at, with all its bytes.
 */
async function pathsDiffer(
  place: Place,
  truth: Truth,
  inodes: ReadonlyMap<number, string>,
  written: Written,
): Promise<string> {
  for (const handle of place.paths) {
    const name = `/proc/self/fd/${handle.fd}`;
    const found = await unlessGone(fs.stat(name));
    const path = found && inodes.get(found.ino);
    const wanted = path === undefined ? undefined : truth.get(path);
    if (!found || wanted?.type !== 'file' || found.size === wanted.size) continue;
    const content = await unlessGone(fs.readFile(name, 'utf8'));
    if (content !== undefined && !(written.has(content) && content.length === found.size))
      return `a handle of ${path} has ${found.size} bytes, not ${wanted.size}, and reads ${content.length}`;
  }
  return '';
}

async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** A file that is kept open has one of the contents, and not a mixture. */
async function filesDiffer(place: Place, written: Written): Promise<string> {
  for (const file of place.files) {
    // The other driver asks by the path that it remembers.
    const read = await unlessGone(file.read(Buffer.alloc(LARGEST), 0, LARGEST, 0));
    if (!read) continue;
    const { bytesRead, buffer } = read;
    const content = buffer.toString('utf8', 0, bytesRead);
    if (!written.has(content)) return `an open file reads ${content.slice(0, 60)}… (${bytesRead} bytes)`;
  }
  return '';
}

async function walkDiffers(place: Place, truth: Truth): Promise<string> {
  const left = new Map(truth);
  const walk = async (folder: string): Promise<string> => {
    for (const entry of await fs.readdir(join(place.root, folder), { withFileTypes: true })) {
      const path = join(folder, entry.name);
      const wanted = left.get(path);
      if (!wanted && staysHere(entry.name)) continue;
      if (!wanted || entry.isDirectory() !== (wanted.type === 'folder'))
        return `a listing shows ${path}, and there is ${wanted?.type ?? 'nothing'}`;
      left.delete(path);
      const wrong = (await nameDiffers(place, wanted, path)) || (await bytesDiffer(place, wanted)) || '';
      if (wrong) return wrong;
      const below = entry.isDirectory() ? await walk(path) : '';
      if (below) return below;
    }
    return '';
  };
  const wrong = await walk('');
  if (wrong) return wrong;
  return left.size === 0 ? '' : `listings do not show ${[...left.keys()].join(', ')}`;
}

async function bytesDiffer(place: Place, wanted: TreeEntry): Promise<string> {
  if (wanted.type === 'folder') return '';
  const bytes = await fs.readFile(join(place.root, wanted.path));
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found === wanted.sha256) return '';
  return `${wanted.path} reads ${bytes.toString('utf8', 0, 40)}… of ${bytes.length} bytes, the server has ${wanted.size}`;
}
