import type { Clock } from '../base/clock.js';
import { isFailure } from '../base/errors.js';
import type { ProjectId } from '../base/ids.js';
import type { Log } from '../base/log.js';
import { type IndexForm, OTHER_FORM } from './index-query.js';
import { ReplyError } from './reply-error.js';

/** Statuses with which a server refuses an API that the app may not use, or that is no more. */
const DENIALS = new Set([403, 404, 410]);
/** Codes that are about the project or the app: the other index is refused, too. */
const ABOUT_ACCESS: ReadonlySet<string> = new Set(['project-not-permitted', 'app-not-installed', 'company-needed']);
/** After this long the v1.0 index is tried again: a page of it has 20 times the rows. Milliseconds. */
const TRY_AGAIN_MS = 6 * 3_600_000;
/** For this long a project that is denied both is not asked for the other one again, milliseconds. */
const BOTH_DENIED_MS = 600_000;

/**
 * The flat index of an account, v1.0 or v2.0, whichever answers. An app that is registered today may be denied v1.0, and
 * either may be taken away at any moment: then the call is made with the other one, and so are the calls after it.
 */
export class IndexCalls {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #changed: ((form: IndexForm) => void) | undefined;
  readonly #bothDenied = new Map<ProjectId, number>();
  #form: IndexForm;
  #triedAt: number;

  /** @param form the one that answered last */
  constructor(form: IndexForm, changed: ((form: IndexForm) => void) | undefined, log: Log, clock: Clock) {
    this.#form = form;
    this.#changed = changed;
    this.#log = log;
    this.#clock = clock;
    this.#triedAt = clock.monotonic();
  }

  /** Makes a call for a project with the form that answers: 1 call, and 1 more when that changes. */
  async make<T>(
    project: ProjectId,
    call: (form: IndexForm) => Promise<T>,
  ): Promise<{ readonly form: IndexForm; readonly made: T }> {
    const now = this.#clock.monotonic();
    if (this.#form === 2 && now - this.#triedAt >= TRY_AGAIN_MS) {
      this.#triedAt = now;
      try {
        const made = await call(1);
        this.#use(1);
        return { form: 1, made };
      } catch (error) {
        // Whatever ended the trial, the call itself is made as before.
        this.#log.debug({ error }, 'the v1.0 index is still not there');
      }
    }
    const first = this.#form;
    try {
      const made = await call(first);
      this.#bothDenied.delete(project);
      return { form: first, made };
    } catch (error) {
      const deniedAt = this.#bothDenied.get(project) ?? Number.NEGATIVE_INFINITY;
      if (!isDenial(error) || now - deniedAt < BOTH_DENIED_MS) throw error;
      const form = OTHER_FORM[first];
      const made = await call(form).catch((second: unknown) => {
        if (!isDenial(second)) throw second;
        this.#bothDenied.set(project, now);
        throw error;
      });
      this.#use(form);
      return { form, made };
    }
  }

  #use(form: IndexForm): void {
    if (form === this.#form) return;
    this.#form = form;
    this.#triedAt = this.#clock.monotonic();
    this.#log.info({ version: `v${form}.0` }, 'another version of the index answers');
    this.#changed?.(form);
  }
}

const isDenial = (error: unknown): boolean =>
  isFailure(error) &&
  !ABOUT_ACCESS.has(error.code) &&
  error.cause instanceof ReplyError &&
  DENIALS.has(error.cause.status);
