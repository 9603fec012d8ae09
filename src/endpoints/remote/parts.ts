import { FORMER_ASIDE, PART_DAYS } from '../paths.js';

const DAY_MS = 86_400_000;
const DATED = /^(.*)-(\d{4}-\d\d-\d\d)$/;

/**
 * The names of parts on a storage that says of a file only what time its content has: each bears the day on which it was
 * begun. Those that a list shows are continued under the name that they have.
 */
export class PartNames {
  readonly #begun = new Map<string, string>();

  /** @param part as `partPath` calls it */
  place(part: string): string {
    const place = this.#begun.get(part) ?? `${part}-${new Date().toISOString().slice(0, 10)}`;
    this.#begun.set(part, place);
    return place;
  }

  /** It has its name, or is gone. */
  done(part: string): void {
    this.#begun.delete(part);
  }

  /**
   * A part that is listed. @returns whether nobody has continued it for long, so that it is in the way
   * @param mtime of its content: it says how old the part is at most, where no day does
   */
  isOld(path: string, mtime: number | undefined): boolean {
    const [, part, day] = DATED.exec(path) ?? [];
    const limit = Date.now() - PART_DAYS * DAY_MS;
    // What was moved aside before it was called otherwise may be somebody's.
    if (path.includes(FORMER_ASIDE)) return false;
    if (part === undefined) return mtime !== undefined && mtime * 1000 < limit;
    if (Date.parse(day!) + DAY_MS < limit) return true;
    this.#begun.set(part, path);
    return false;
  }
}
