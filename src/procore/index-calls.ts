import type { Clock } from '../base/clock.js';
import { isFailure } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { type IndexForm, OTHER_FORM } from './index-query.js';
import { ReplyError } from './reply-error.js';

/** Statuses with which a server refuses an API that the app may not use, or that is no more. */
const DENIALS = new Set([403, 404, 410]);
/** Codes that are about the project or the app: the other index is refused, too. */
const ABOUT_ACCESS: ReadonlySet<string> = new Set(['project-not-permitted', 'app-not-installed', 'company-needed']);
/** After this long the v1.0 index is tried again: a page of it has 20 times the rows. Milliseconds. */
const TRY_AGAIN_MS = 24 * 3_600_000;

/**
 * The flat index of an account, v1.0 or v2.0, whichever answers. An app that is registered today may be denied v1.0, and
 * either may be taken away at any moment: then the call is made with the other one, and so are the calls after it.
 */
export class IndexCalls {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #changed: ((form: IndexForm) => void) | undefined;
  #form: IndexForm;
  #since: number;

  /** @param form the one that answered last */
  constructor(form: IndexForm, changed: ((form: IndexForm) => void) | undefined, log: Log, clock: Clock) {
    this.#form = form;
    this.#changed = changed;
    this.#log = log;
    this.#clock = clock;
    this.#since = clock.monotonic();
  }

  /** Makes a call with the form that answers: 1 call, and 1 more when that changes. */
  async make<T>(call: (form: IndexForm) => Promise<T>): Promise<{ readonly form: IndexForm; readonly made: T }> {
    const isTrial = this.#form === 2 && this.#clock.monotonic() - this.#since >= TRY_AGAIN_MS;
    const first = isTrial ? 1 : this.#form;
    try {
      const made = await call(first);
      if (isTrial) this.#use(first);
      return { form: first, made };
    } catch (error) {
      if (!isDenial(error)) throw error;
      const form = OTHER_FORM[first];
      const made = await call(form).catch((second: unknown) => {
        throw isDenial(second) ? error : second;
      });
      this.#use(form);
      return { form, made };
    }
  }

  #use(form: IndexForm): void {
    this.#since = this.#clock.monotonic();
    if (form === this.#form) return;
    this.#form = form;
    this.#log.info({ version: `v${form}.0` }, 'another version of the index answers');
    this.#changed?.(form);
  }
}

const isDenial = (error: unknown): boolean =>
  isFailure(error) &&
  !ABOUT_ACCESS.has(error.code) &&
  error.cause instanceof ReplyError &&
  DENIALS.has(error.cause.status);
