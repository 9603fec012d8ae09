import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, rm, statfs, utimes, writeFile } from 'node:fs/promises';
import { errnoOf, Failure } from '../../base/errors.js';
import { DOT_OR_BLANK_END, WINDOWS_CHARACTERS } from '../../names/platform-files.js';
import type { PlatformName } from '../../names/platforms.js';
import { PART_PREFIX } from '../paths.js';
import { rulesOf } from '../rules.js';
import type { TargetRules, TargetTest } from '../target.js';
import { isOwnerOnly } from './modes.js';
import type { FolderRoot, OpenFolder } from './root.js';

/**
 * Native file systems of Linux, which keep every name. Not ZFS, which can be configured to fold case and to normalize.
 */
const PLAIN = /^(?:ext[234]|xfs|btrfs|tmpfs|ramfs|overlay|f2fs|bcachefs)$/;

const PLATFORM_OF: Readonly<Record<string, PlatformName>> = {
  vfat: 'fat',
  msdos: 'fat',
  exfat: 'exfat',
  ntfs: 'ntfs',
  ntfs3: 'ntfs',
  cifs: 'smb',
  smb3: 'smb',
  smbfs: 'smb',
  nfs: 'nfs',
  nfs4: 'nfs',
};

/** Resolutions of times in file systems, seconds. */
const GRAINS = [1e-6, 1e-3, 0.01, 0.1, 1, 2];

/**
 * The rules of a folder, by its file system. Behind FUSE or a network there may be any file system, and a share can be
 * mounted with mapped names: where this target may write, the rules are tested in a folder that is removed again.
 */
export async function folderRules(root: FolderRoot, mayWrite: boolean): Promise<TargetRules> {
  const rules = rulesOf(PLATFORM_OF[root.type] ?? 'linux', {
    replacesAtOnce: true,
    resumes: true,
    parallelWrites: 8,
    reads: ['stream', 'file', 'descriptor'],
    keepsPrivacy: PLAIN.test(root.type),
  });
  if (PLAIN.test(root.type) || !mayWrite) return rules;
  return inProbeFolder(root, async (folder) => ({ ...rules, ...(await tryOut(folder, rules)) }));
}

async function tryOut(folder: OpenFolder, rules: TargetRules): Promise<Partial<TargetRules>> {
  await writeFile(folder.at('Aa'), '');
  // A file system that lists a name in another case must find it in any case; otherwise the file could not be found
  // again.
  const caseInsensitive = (await exists(folder, 'aA')) || !(await isListed(folder, 'Aa'));
  const normalizes = await normalizesNames(folder);
  const timeGrain = await grainOf(folder, 'Aa');
  const keepsPrivacy = (await isOwnerOnlyAfter(folder, 'Aa', 0o600)) && !(await isOwnerOnlyAfter(folder, 'Aa', 0o644));
  let characters = '/\0';
  for (const character of WINDOWS_CHARACTERS)
    if (character !== '/' && character !== '\0' && !(await keeps(folder, `x${character}y`))) characters += character;
  const endings = (await keeps(folder, 'dot.')) && (await keeps(folder, 'blank '));
  const others = rules.names.patterns.filter((one) => one !== DOT_OR_BLANK_END);
  return {
    caseInsensitive,
    normalizes,
    keepsPrivacy,
    timeGrain: timeGrain ?? rules.timeGrain,
    setsTimes: timeGrain !== undefined,
    // A file system that accepts all characters does not apply the rules of Windows.
    names: {
      ...rules.names,
      characters,
      patterns: endings ? (characters.length > 2 ? others : []) : [...others, DOT_OR_BLANK_END],
    },
  };
}

/** Some mounts have one fixed mode for all items. */
async function isOwnerOnlyAfter(folder: OpenFolder, name: string, mode: number): Promise<boolean> {
  await chmod(folder.at(name), mode).catch(() => undefined);
  return isOwnerOnly((await lstat(folder.at(name))).mode);
}

/** Undefined: times cannot be set. */
async function grainOf(folder: OpenFolder, name: string): Promise<number | undefined> {
  // An odd second with a fraction shows at which resolution times are cut.
  const time = 1_500_000_001.777777;
  try {
    await utimes(folder.at(name), time, time);
  } catch {
    return undefined;
  }
  const off = Math.abs((await lstat(folder.at(name))).mtimeMs / 1000 - time);
  return GRAINS.find((grain) => off <= grain * 1.01);
}

/** An e with an acute accent, as two characters and as one. */
const [DECOMPOSED, COMPOSED] = ['e\u0301', '\u00e9'];

async function normalizesNames(folder: OpenFolder): Promise<boolean> {
  try {
    await writeFile(folder.at(DECOMPOSED), '');
  } catch (error) {
    if (REFUSALS.has(errnoOf(error) ?? '')) return false;
    throw error;
  }
  return (await exists(folder, COMPOSED)) || !(await isListed(folder, DECOMPOSED));
}

const isListed = async (folder: OpenFolder, name: string): Promise<boolean> =>
  (await readdir(folder.at('.'))).includes(name);

async function exists(folder: OpenFolder, name: string): Promise<boolean> {
  try {
    await lstat(folder.at(name));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Errors with which file systems refuse a name. */
const REFUSALS = new Set(['EINVAL', 'EILSEQ', 'ENOENT', 'EACCES', 'EIO', 'ENAMETOOLONG', 'EPERM', 'EISDIR']);

/** Whether a file can be created under a name and is then listed under exactly that name. */
async function keeps(folder: OpenFolder, name: string): Promise<boolean> {
  try {
    await writeFile(folder.at(name), '');
  } catch (error) {
    if (REFUSALS.has(errnoOf(error) ?? '')) return false;
    throw error;
  }
  const kept = await isListed(folder, name);
  await rm(folder.at(name), { force: true });
  return kept;
}

/** Creates a folder within the root, runs `use` in it, and removes it. */
async function inProbeFolder<T>(root: FolderRoot, use: (folder: OpenFolder) => Promise<T>): Promise<T> {
  const name = `${PART_PREFIX}probe-${randomBytes(6).toString('hex')}`;
  return root.folder('', async (top) => {
    await mkdir(top.at(name));
    try {
      return await root.folder(name, use);
    } finally {
      await rm(top.at(name), { recursive: true, force: true });
    }
  });
}

export async function testFolder(root: FolderRoot): Promise<TargetTest> {
  const { bavail, blocks, bsize } = await root.folder('', ({ at }) => statfs(at('.')));
  const seen = { root: root.path, kind: root.type, free: bavail * bsize, total: blocks * bsize };
  try {
    await inProbeFolder(root, (folder) => writeFile(folder.at('probe'), 'probe'));
    return { ...seen, writable: true };
  } catch (error) {
    if (!(error instanceof Failure) || !['target-denied', 'target-full'].includes(error.code)) throw error;
    return { ...seen, writable: false, why: error.message };
  }
}
