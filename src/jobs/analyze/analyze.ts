import { setImmediate } from 'node:timers/promises';
import { isFailure } from '../../base/errors.js';
import { childPath } from '../../endpoints/paths.js';
import { judgeName, judgePath, suggestName } from '../../names/judge.js';
import { linuxNames } from '../../names/linux.js';
import type { Platform } from '../../names/platform.js';
import { type PlatformName, platforms } from '../../names/platforms.js';
import type { Endpoint, EndpointItem } from '../endpoint.js';
import { type DuplicateGroup, Duplicates } from './duplicates.js';
import { ageOf, ageWords, type Counted, extensionOf, Largest, Tally } from './tally.js';

/** The first items of a list, and the number of all. */
export interface FirstOf<T> {
  readonly count: number;
  readonly items: readonly T[];
}

/** An item that the platform would not accept as it is. */
export interface Problem {
  readonly path: string;
  readonly rule: string;
  readonly words: string;
  readonly suggestion?: string;
}

/** Content of a tree, and the problems it would have at a platform. Sizes in bytes, paths from the root of the tree. */
export interface Analysis {
  readonly source: string;
  readonly platform: PlatformName;
  readonly files: number;
  readonly folders: number;
  readonly bytes: number;
  readonly types: readonly ({ readonly type: string } & Counted)[];
  readonly ages: readonly ({ readonly age: string } & Counted)[];
  readonly largest: readonly { readonly path: string; readonly size: number }[];
  readonly problems: FirstOf<Problem> & { readonly rules: Readonly<Record<string, number>> };
  /** Names in one folder that the platform treats as equal. */
  readonly collisions: FirstOf<{ readonly path: string; readonly other: string }>;
  /** Files that are probably identical; `files` and `bytes` do not include the first file of each group. */
  readonly duplicates: Counted & { readonly groups: number; readonly largest: readonly DuplicateGroup[] };
  readonly checkedOut: FirstOf<{ readonly path: string; readonly by: string }>;
  readonly private: FirstOf<string>;
  /** Folders whose listing failed; what was not listed is not counted. */
  readonly unreadable: FirstOf<{ readonly path: string; readonly why: string }>;
  /** API calls that the analysis took. */
  readonly calls: number;
}

export interface AnalyzeOptions {
  readonly platform: PlatformName;
  /** Names are encoded for Linux and must be decoded to get those of the source. */
  readonly decode: boolean;
  /** Longest list of entries in the result. */
  readonly most: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly signal: AbortSignal;
}

const TYPES = 20;
/** Items between two yields to other tasks: the process may serve a mount. */
const TURN_ITEMS = 300;

/** Walks a tree once, one folder at a time. Memory use grows only with the depth and the widest folder. */
export async function analyze(endpoint: Endpoint, options: AnalyzeOptions): Promise<Analysis> {
  const analyzer = new Analyzer(endpoint, options);
  try {
    return await analyzer.run();
  } finally {
    analyzer.close();
  }
}

class Kept<T> {
  readonly items: T[] = [];
  count = 0;
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  add(make: () => T): void {
    if (this.count++ < this.#most) this.items.push(make());
  }

  get listed(): FirstOf<T> {
    return { count: this.count, items: this.items };
  }
}

class Analyzer {
  readonly #endpoint: Endpoint;
  readonly #options: AnalyzeOptions;
  readonly #platform: Platform;
  readonly #types = new Tally();
  readonly #ages = new Tally();
  readonly #rules: Record<string, number> = {};
  readonly #duplicates = new Duplicates();
  readonly #largest: Largest<{ readonly path: string; readonly size: number }>;
  readonly #problems: Kept<Problem>;
  readonly #collisions: Kept<{ readonly path: string; readonly other: string }>;
  readonly #checkedOut: Kept<{ readonly path: string; readonly by: string }>;
  readonly #private: Kept<string>;
  readonly #unreadable: Kept<{ readonly path: string; readonly why: string }>;
  #files = 0;
  #folders = 0;
  #bytes = 0;
  #seen = 0;

  constructor(endpoint: Endpoint, options: AnalyzeOptions) {
    const { most } = options;
    this.#endpoint = endpoint;
    this.#options = options;
    this.#platform = platforms[options.platform];
    this.#largest = new Largest(Math.min(most, TYPES), ({ size }) => size);
    this.#problems = new Kept(most);
    this.#collisions = new Kept(most);
    this.#checkedOut = new Kept(most);
    this.#private = new Kept(most);
    this.#unreadable = new Kept(most);
  }

  async run(): Promise<Analysis> {
    await this.#folder('', '');
    const { files, bytes, groups } = this.#duplicates;
    return {
      source: this.#endpoint.root,
      platform: this.#options.platform,
      files: this.#files,
      folders: this.#folders,
      bytes: this.#bytes,
      types: this.#types.most(TYPES).map(({ word, ...counted }) => ({ type: word, ...counted })),
      ages: ageWords.map((age) => ({ age, ...this.#ages.get(age) })).filter((one) => one.files > 0),
      largest: this.#largest.all,
      problems: { ...this.#problems.listed, rules: this.#rules },
      collisions: this.#collisions.listed,
      duplicates: { groups, files, bytes, largest: this.#duplicates.largest(Math.min(this.#options.most, TYPES)) },
      checkedOut: this.#checkedOut.listed,
      private: this.#private.listed,
      unreadable: this.#unreadable.listed,
      calls: this.#endpoint.calls,
    };
  }

  close(): void {
    this.#duplicates.close();
  }

  /** @param remote path of the folder, with names as the platform would have them */
  async #folder(folder: string, remote: string): Promise<void> {
    const inner: { readonly path: string; readonly remote: string }[] = [];
    const names = new Map<string, string>();
    try {
      for await (const item of this.#endpoint.list(folder, this.#options.signal)) {
        const name = this.#options.decode ? linuxNames.decode(item.name) : item.name;
        const path = childPath(remote, name);
        this.#item(item, name, path);
        const same = this.#comparable(name);
        const other = names.get(same);
        if (other === undefined) names.set(same, item.path);
        else this.#collisions.add(() => ({ path: item.path, other }));
        if (item.folder) inner.push({ path: item.path, remote: path });
        if (++this.#seen % TURN_ITEMS === 0) {
          await setImmediate();
          this.#options.signal.throwIfAborted();
        }
      }
    } catch (error) {
      // The root must be readable. Below it, a failure affects one folder only.
      if (folder === '' || this.#options.signal.aborted || !isFailure(error)) throw error;
      this.#unreadable.add(() => ({ path: folder, why: error.message }));
    }
    for (const one of inner) await this.#folder(one.path, one.remote);
  }

  #item(item: EndpointItem, name: string, remote: string): void {
    const { path, size } = item;
    this.#judge(item, name, remote);
    if (item.private === true) this.#private.add(() => path);
    const { lockedBy } = item;
    if (lockedBy !== undefined) this.#checkedOut.add(() => ({ path, by: lockedBy }));
    if (item.folder) {
      this.#folders++;
      return;
    }
    const extension = extensionOf(name);
    this.#files++;
    this.#bytes += size;
    this.#types.add(extension || 'without', size);
    this.#ages.add(ageOf(item.mtime, this.#options.now / 1000), size);
    this.#largest.add({ path, size });
    this.#duplicates.add(path, name, extension, size);
  }

  #judge({ path, size, folder }: EndpointItem, name: string, remote: string): void {
    const { features, title } = this.#platform;
    const bad = judgeName(this.#platform, name) ?? judgePath(this.#platform, remote);
    if (bad) {
      const suggestion = bad.rule === 'path-length' ? undefined : suggestName(this.#platform, name);
      this.#problem({ path, rule: bad.rule, words: bad.words, ...(suggestion === undefined ? {} : { suggestion }) });
    } else if (!folder && features.fileSize !== undefined && size > features.fileSize)
      this.#problem({ path, rule: 'file-size', words: `${title} takes no file of ${size} bytes` });
    else if (!folder && features.restrictedTypes.includes(extensionOf(name)))
      this.#problem({ path, rule: 'restricted-type', words: `${title} takes no ${extensionOf(name)}` });
  }

  #problem(problem: Problem): void {
    this.#rules[problem.rule] = (this.#rules[problem.rule] ?? 0) + 1;
    this.#problems.add(() => problem);
  }

  #comparable(name: string): string {
    const composed = name.normalize('NFC');
    return this.#platform.features.caseInsensitive ? composed.toLowerCase() : composed;
  }
}
