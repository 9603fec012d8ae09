import type { AdminChange } from '#src/simulator/admin/changes.js';
import type { HistoryEntry } from '../simulator.js';
import { Witness } from '../witness.js';
import { type Content, type HandEvent, type Look, timeNow } from './contents.js';

/** Errors by which a call says that it did nothing. */
const REFUSED = /^(ENOENT|EEXIST|ENOTEMPTY|ENOTDIR|EISDIR|EBUSY|EACCES|EPERM)$/;

/** Bytes that were written, and whose file was not acknowledged as a whole: something that begins with them is there. */
interface Begun {
  readonly content: Content;
  readonly where: string;
}

interface Act {
  readonly what: string;
  readonly paths: readonly string[];
  readonly looks: readonly Look[];
  isOpen: boolean;
  inode: number;
  begun: Begun | undefined;
  /** Of what was acknowledged, the last, which a further write(2) takes away. */
  last: readonly Content[];
  error: string | undefined;
  isOver: boolean;
  /** When the daemon was killed under which it began. */
  until: number;
}

/** What a colleague saved. */
interface Saved {
  readonly key: string;
  readonly id: number;
  path: string;
  /** When it began, milliseconds of this process. */
  readonly began: number;
  /** Calls that may tell of a version, before it was saved. */
  readonly told: number;
}

export interface Counts {
  acknowledged: number;
  /** Acts that were under way when the daemon was killed. */
  interrupted: number;
  /** Acts on a file of which a colleague had saved something that nothing had told this machine. */
  unseen: number;
  /** The same, where it may have been seen in the moment of the act. */
  perhapsSeen: number;
}

export interface Judgement {
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  readonly half: readonly string[];
}

/**
 * What the programs at a mount and a colleague at the server did in one round, for the witness: by whom which bytes were
 * written, and who, having seen exactly these, took them away. Acts that were not acknowledged leave both in doubt.
 */
export class Ledger {
  readonly #witness = new Witness();
  readonly #acts = new Map<string, Act>();
  /** All that may be published: by SHA-256 what the witness calls it. */
  readonly #complete = new Map<string, string>();
  readonly #bytes = new Map<string, Content>();
  readonly #saved: Saved[] = [];
  readonly #moved: { readonly id: number; readonly to: string; readonly told: number }[] = [];
  /** Documents whose versions somebody else may have been shown in the moment of an act. */
  readonly #doubtful = new Set<number>();
  /** What a colleague saved over, and deleted: by the document's id and the number of the version. */
  readonly #covered: { readonly id: number; readonly number: number; readonly how: string }[] = [];
  /** SHA-256 of what a colleague deleted with a folder. */
  readonly #gone = new Map<string, string>();
  #killed = 0;
  readonly counts: Counts = { acknowledged: 0, interrupted: 0, unseen: 0, perhapsSeen: 0 };

  /** Of a program. @returns the act, when it is over */
  take(who: string, event: HandEvent): Act | undefined {
    const key = `${who} ${event.act}`;
    if (event.at === 'begin') {
      const { what, paths, looks, grows } = event;
      const until = event.time < this.#killed ? this.#killed : Number.POSITIVE_INFINITY;
      const begun = grows && looks[0] ? { content: looks[0], where: what } : undefined;
      const more = { isOpen: false, inode: 0, last: [], error: undefined, isOver: false, until };
      this.#acts.set(key, { what, paths, looks, begun, ...more });
      return undefined;
    }
    const act = this.#acts.get(key)!;
    if (event.at === 'opened') {
      act.isOpen = true;
      act.inode = event.inode;
    } else if (event.at === 'writes') {
      act.isOpen = true;
      for (const content of act.last) {
        this.#witness.gaveUp(this.#key(content), `${act.what}, and wrote on`);
        act.begun = { content, where: act.what };
      }
      act.last = [];
    } else if (event.at === 'wrote') {
      // The kernel writes on to a file of a daemon that is gone: only a later call tells the program.
      if (event.time < act.until) act.begun = { content: event.content, where: act.what };
    } else if (event.at === 'completes') for (const content of event.contents) this.complete(content);
    else if (event.at === 'acknowledged') {
      for (const content of event.contents) this.#witness.wrote(this.#key(content), act.what);
      act.last = event.contents;
      act.begun = undefined;
    } else {
      act.error = event.error;
      act.isOver = true;
      if (event.error === undefined) this.counts.acknowledged++;
      else if (!REFUSED.test(event.error)) this.counts.interrupted++;
      return act;
    }
    return undefined;
  }

  /** The daemon is about to be killed. */
  kill(): void {
    this.#killed = timeNow();
    for (const act of this.#acts.values()) if (!act.isOver) act.until = Math.min(act.until, this.#killed);
  }

  /** These bytes may be published. */
  complete(content: Content): void {
    this.#bytes.set(content.sum, content);
    this.#complete.set(content.sum, this.#key(content));
  }

  saved(content: Content, saved: Omit<Saved, 'key'>, number: number): void {
    this.complete(content);
    const key = this.#key(content);
    this.#witness.wrote(key, `a colleague saved ${saved.path}`);
    this.#saved.push({ ...saved, key });
    if (number > 1) this.#covered.push({ id: saved.id, number: number - 1, how: `a colleague saved ${saved.path}` });
  }

  deleted(id: number, number: number, path: string): void {
    this.#covered.push({ id, number, how: `a colleague deleted ${path}` });
  }

  deletedWith(sums: Iterable<string>, path: string): void {
    for (const sum of sums) this.#gone.set(sum, `a colleague deleted ${path}`);
  }

  moved({ path = '', to = '' }: AdminChange, id: number, told: number): void {
    this.#moved.push({ id, to, told });
    for (const one of this.#saved)
      if (one.path === path || one.path.startsWith(`${path}/`)) one.path = to + one.path.slice(path.length);
  }

  /** Whether it matters what this machine had been told when the act was over. */
  isDoubtful({ paths, looks }: Act): boolean {
    return this.#candidates(paths, looks).length > 0 || this.#moved.some(({ to }) => isAt(to, paths));
  }

  /**
   * What a colleague had saved there, without the program having looked at it, when an act was over: if nothing had told
   * this machine of it, nobody here had seen it. If something had, it may have shown in the moment of the act.
   */
  resolve({ paths, looks, what }: Act, told: number, ended: number): void {
    for (const one of this.#candidates(paths, looks)) {
      if (one.began > ended) continue;
      if (told > one.told) {
        this.#witness.gaveUp(one.key, `${what}, perhaps having seen it`);
        this.counts.perhapsSeen++;
      } else this.counts.unseen++;
    }
    for (const one of this.#moved) if (isAt(one.to, paths) && told > one.told) this.#doubtful.add(one.id);
  }

  /** Whether it was acknowledged, and nobody took it away. */
  isLive(content: Content): boolean {
    return this.#witness.writerOf(this.#key(content)) !== undefined;
  }

  /** Whether somebody was writing to the file when the daemon was killed. */
  wasWriting(inode: number, path: string): boolean {
    return [...this.#acts.values()].some(
      (act) =>
        (act.inode === inode || act.paths.some((one) => isAt(path, [one]))) && (act.error !== undefined || !act.isOver),
    );
  }

  /**
   * `history`: of all that is or was in the project · `waiting`: contents that visibly wait for somebody · `late`: paths
   * of what people are told that a call changed late.
   */
  judge(
    top: string,
    history: readonly HistoryEntry[],
    waiting: readonly Content[],
    late: readonly string[],
  ): Judgement {
    this.#settle(history);
    const isLate = ({ path }: HistoryEntry): boolean => isAt(path, [...late, ...late.map((one) => `${one}/`)]);
    const sums = history.filter(isLate).flatMap((one) => one.history);
    const taken = new Set(sums.map((sum) => this.nameOf(sum)));
    const files = history.filter(({ type }) => type === 'file');
    const tree = new Map(
      files.filter(({ deleted }) => !deleted).map((one) => [`${one.path} (${one.id})`, this.nameOf(one.sha256!)]),
    );
    const kept = new Set(waiting.map((content) => this.nameOf(content.sum)));
    const { lost, doubled } = this.#witness.judge({ trees: [tree], waiting: new Set([...kept, ...taken]), taken });
    const there = [
      ...waiting,
      ...sums.flatMap((sum) => this.#bytes.get(sum) ?? []),
      ...files.filter(({ deleted }) => !deleted).flatMap((one) => this.#bytes.get(one.sha256!) ?? []),
    ];
    const begun = this.#begun().filter(({ content }) => !there.some(({ bytes }) => startsWith(bytes, content.bytes)));
    const half = files
      .filter(({ path }) => path.startsWith(`${top}/`))
      .flatMap((one) =>
        one.history.filter((sum) => !this.#complete.has(sum)).map((sum) => `${one.path}: ${sum.slice(0, 8)}`),
      );
    return {
      lost: [...lost, ...begun.map(({ content, where }) => `the beginning "${content.label}" (${where})`)],
      doubled,
      half,
    };
  }

  nameOf(sum: string): string {
    return this.#complete.get(sum) ?? sum.slice(0, 8);
  }

  /** What was begun and not acknowledged, and was not taken away by somebody who saw it. */
  #begun(): Begun[] {
    const all = [...this.#acts.values()];
    const taken = (sum: string, bytes: Uint8Array): boolean =>
      this.#gone.has(sum) ||
      all.some(
        (act) =>
          takesAway(act) && act.looks.some((one) => startsWith(one.bytes, bytes)) && act.begun?.content.sum !== sum,
      );
    return all.flatMap(({ begun }) => (begun && !taken(begun.content.sum, begun.content.bytes) ? [begun] : []));
  }

  /** What is known at the end of who took what away. */
  #settle(history: readonly HistoryEntry[]): void {
    for (const act of this.#acts.values())
      if (takesAway(act)) for (const one of act.looks) this.#witness.gaveUp(this.#key(one), act.what);
    const byId = new Map(history.map((one) => [one.id, one]));
    for (const { id, number, how } of this.#covered) {
      const entry = byId.get(id);
      const sum = entry?.history[entry.versions - number];
      if (sum !== undefined) this.#gone.set(sum, how);
    }
    for (const id of this.#doubtful) for (const sum of byId.get(id)?.history ?? []) this.#gone.set(sum, 'perhaps seen');
    for (const [sum, how] of this.#gone) this.#witness.gaveUp(this.#complete.get(sum), how);
  }

  #candidates(paths: readonly string[], looks: readonly Look[]): Saved[] {
    const seen = new Set(looks.map((one) => this.#key(one)));
    const ids = new Set(looks.map(({ id }) => id));
    return this.#saved.filter(
      (one) =>
        !seen.has(one.key) &&
        (ids.has(one.id) || isAt(one.path, paths)) &&
        this.#witness.writerOf(one.key) !== undefined,
    );
  }

  #key({ sum, label }: Pick<Content, 'sum' | 'label'>): string {
    return `${label} ${sum.slice(0, 8)}`;
  }
}

const takesAway = ({ error, isOpen }: Act): boolean => isOpen || error === undefined || !REFUSED.test(error);

const isAt = (path: string, places: readonly string[]): boolean =>
  places.some((place) => place === path || (place.endsWith('/') && path.startsWith(place)));

const startsWith = (bytes: Uint8Array, beginning: Uint8Array): boolean =>
  bytes.length >= beginning.length && Buffer.compare(bytes.subarray(0, beginning.length), beginning) === 0;
