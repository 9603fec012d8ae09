import type { Clock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import { type Inode, ROOT_INODE } from '../../base/ids.js';
import { READ_ONLY } from '../../mirror/database/flags.js';
import type { LocalItem, Tree } from './tree.js';

/** How long a refusal of the server is remembered, milliseconds: permissions change, and a try costs a call. */
const REMEMBERED_MS = 15 * 60_000;

/**
 * Knows what this account may change, from the mirror's rows and from the server's refusals, so that an open or create
 * fails at once and not an upload an hour later.
 */
export class Permissions {
  readonly #tree: Tree;
  readonly #clock: Clock;
  readonly #refused = new Map<Inode, number>();

  constructor(tree: Tree, clock: Clock) {
    this.#tree = tree;
    this.#clock = clock;
  }

  /** The server refused to change this item, or to put something into this folder. */
  refused(inode: Inode): void {
    this.#refused.set(inode, this.#clock.now() + REMEMBERED_MS);
  }

  /** The server accepted a change of it. */
  granted(inode: Inode): void {
    this.#refused.delete(inode);
  }

  /** @throws Failure `not-permitted` (EACCES) */
  require(item: LocalItem): void {
    const why = this.#why(item);
    if (why === undefined) return;
    throw new Failure('not-permitted', {
      what: `this account to change ${this.#tree.path(item) || 'the project'} (${why})`,
      hint: 'ask for the permission in Procore; what is readable can be copied elsewhere',
    });
  }

  #why(item: LocalItem): string | undefined {
    if ((item.flags & READ_ONLY) !== 0) return 'it is read-only';
    const root = this.#tree.view.item(ROOT_INODE);
    if (root && (root.flags & READ_ONLY) !== 0) return 'the project is read-only';
    if (this.#refused.size === 0) return undefined;
    const until = this.#refused.get(item.inode);
    return until !== undefined && until > this.#clock.now() ? 'Procore refused it a short time ago' : undefined;
  }
}
