import { FORMER_DETACHED_PREFIX, PART_DAYS } from '../paths.js';

const DAY_MS = 86_400_000;
const DATED = /^(.*)-(\d{4}-\d\d-\d\d)$/;

/**
 * Names of parts on a storage that shows only the content's time of a file: each name contains the day on which the
 * part was started. Listed parts are continued under their existing name.
 */
export class PartNames {
  readonly #begun = new Map<string, string>();

  /** @param part the name from `partPath` */
  place(part: string): string {
    const place = this.#begun.get(part) ?? `${part}-${new Date().toISOString().slice(0, 10)}`;
    this.#begun.set(part, place);
    return place;
  }

  /** The part was renamed, or is removed. */
  done(part: string): void {
    this.#begun.delete(part);
  }

  /**
   * Records a listed part. @returns whether it has not been continued for long, so that it can be removed
   * @param mtime of its content: an upper bound for the part's age, where its name has no day
   */
  isOld(path: string, mtime: number | undefined): boolean {
    const [, part, day] = DATED.exec(path) ?? [];
    const limit = Date.now() - PART_DAYS * DAY_MS;
    // An item that an older version detached may belong to a user.
    if (path.includes(FORMER_DETACHED_PREFIX)) return false;
    if (part === undefined) return mtime !== undefined && mtime * 1000 < limit;
    if (Date.parse(day!) + DAY_MS < limit) return true;
    this.#begun.set(part, path);
    return false;
  }
}
