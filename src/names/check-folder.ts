import type { Dirent } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { Failure, isFailure } from '../base/errors.js';
import { judgeName, judgePath, suggestName } from './judge.js';
import { linuxNames } from './linux.js';
import { classifyName } from './local-only.js';
import type { RefusalRule } from './platform.js';
import { type PlatformName, platforms } from './platforms.js';

/** An item of a local folder that cannot be copied to a platform unchanged. */
export interface NameFinding {
  /** Path from the checked folder; bytes that are not UTF-8 appear as U+FFFD. */
  readonly path: string;
  readonly type: 'file' | 'folder' | 'other';
  readonly rule: RefusalRule | 'encoding' | 'file-type' | 'unreadable';
  /** The rule in one line. */
  readonly words: string;
  /** A valid name instead; undefined where no other name helps. */
  readonly suggestion: string | undefined;
}

export interface FolderCheck {
  /** Entries checked so far. */
  readonly checked: number;
  findings(): AsyncGenerator<NameFinding>;
}

interface Entry {
  readonly name: string;
  /** The name is not UTF-8. */
  readonly isBroken: boolean;
  readonly type: NameFinding['type'];
}

/**
 * Walks a local folder and finds the names and paths that a platform refuses, and items that are neither file nor
 * folder. Symbolic links are not followed. For Procore, items that are never published are skipped. Memory use depends
 * on the depth only. `findings` throws the Failure `folder-unreadable` for the folder itself.
 */
export function checkFolder(root: string, platform: PlatformName): FolderCheck {
  const rules = platforms[platform];
  // In a mount, a local name is the shown form of a remote one.
  const decode = platform === 'procore' ? linuxNames.decode : (name: string) => name;
  const encode = platform === 'procore' ? linuxNames.encode : (name: string) => name;
  let checked = 0;

  /** `remote`: the path that the item would have at the platform. */
  async function* walk(folder: Buffer, shown: string, remote: string): AsyncGenerator<NameFinding> {
    for await (const { entry, bytes } of entriesOf(folder, shown === '' ? root : shown)) {
      if (platform === 'procore' && isLocal(entry)) continue;
      checked++;
      const name = decode(entry.name);
      const path = shown === '' ? entry.name : `${shown}/${entry.name}`;
      const remotePath = remote === '' ? name : `${remote}/${name}`;
      const found = judge(entry, path, name, remotePath);
      if (found) yield found;
      if (entry.type !== 'folder') continue;
      try {
        yield* walk(Buffer.concat([folder, SLASH, bytes]), path, remotePath);
      } catch (error) {
        if (!isFailure(error, 'folder-unreadable')) throw error;
        yield { path, type: 'folder', rule: 'unreadable', words: error.line, suggestion: undefined };
      }
    }
  }

  function judge(entry: Entry, path: string, name: string, remotePath: string): NameFinding | undefined {
    const at = { path, type: entry.type };
    if (entry.type === 'other')
      return { ...at, rule: 'file-type', words: `${rules.title} takes files and folders only`, suggestion: undefined };
    if (entry.isBroken) {
      const suggestion = encode(suggestName(rules, name.replaceAll('\ufffd', '_')));
      return { ...at, rule: 'encoding', words: 'the name is not UTF-8', suggestion };
    }
    const bad = judgeName(rules, name);
    if (bad) return { ...at, rule: bad.rule, words: bad.words, suggestion: encode(suggestName(rules, name)) };
    const long = judgePath(rules, remotePath);
    return long && { ...at, rule: long.rule, words: long.words, suggestion: shorter(name, remotePath) };
  }

  /** A shorter name, if the path of its folder leaves room for one. */
  function shorter(name: string, remotePath: string): string | undefined {
    const room = [...name].length - ([...remotePath].length - (rules.pathLength?.most ?? 0));
    return room >= SHORTEST_NAME ? encode(suggestName(rules, name, room)) : undefined;
  }

  return {
    get checked() {
      return checked;
    },
    findings: () => walk(Buffer.from(root), '', ''),
  };
}

const SLASH = Buffer.from('/');
/** Minimum length of a shortened name that is still meaningful, characters. */
const SHORTEST_NAME = 12;

const isLocal = ({ name, type }: Entry): boolean =>
  classifyName(name, [], type === 'folder' ? 'folder' : 'file') === 'local';

async function* entriesOf(folder: Buffer, shown: string): AsyncGenerator<{ entry: Entry; bytes: Buffer }> {
  try {
    // Node's types allow only strings for names.
    const directory = await opendir(folder as unknown as string, { encoding: 'buffer' as 'utf8', bufferSize: 256 });
    for await (const found of directory as AsyncIterable<Dirent<string>>) {
      const bytes = found.name as unknown as Buffer;
      const name = bytes.toString('utf8');
      const type = found.isDirectory() ? 'folder' : found.isFile() ? 'file' : 'other';
      yield { entry: { name, isBroken: !Buffer.from(name).equals(bytes), type }, bytes };
    }
  } catch (error) {
    throw new Failure('folder-unreadable', { path: shown }, error);
  }
}
