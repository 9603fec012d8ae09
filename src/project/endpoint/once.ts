import { isFailure } from '../../base/errors.js';
import { NO_REMOTE } from '../../outbox/intents/intent.js';
import type { LateCall, LateCalls } from '../../outbox/intents/late-calls.js';

/** A call that creates something, and how its result is found. */
export interface Creation<T> {
  readonly make: () => Promise<T>;
  readonly look: () => Promise<T | undefined>;
  /**
   * Recorded as a late call while no result is visible. For a version it is recorded before the call, so that it is
   * known after a crash, and stays until the caller has the result.
   */
  readonly sent?: Omit<LateCall, 'at'>;
  /** An earlier attempt without a known outcome may have created it. */
  readonly wasTried?: boolean;
}

/**
 * Makes a call that creates something, and avoids creating it twice after a lost reply: it looks for the result before
 * a second attempt. If that attempt is refused, it looks once more, since the server may have completed the first one
 * late.
 * @throws Failure of the call; `name-taken` if somebody else was faster
 */
export async function once<T>({ make, look, sent, wasTried = false }: Creation<T>, late: LateCalls): Promise<T> {
  let noted = sent && sent.remoteId !== NO_REMOTE ? late.add(sent) : undefined;
  const isOfLate = sent?.remoteId === NO_REMOTE && late.creations(sent.parentId, sent.name).length > 0;
  let mayBeThere = wasTried || isOfLate;
  for (let again = false; ; again = true) {
    try {
      return await make();
    } catch (error) {
      const isLost = isFailure(error, 'reply-lost');
      mayBeThere ||= isLost;
      const isDoubtful = isLost || isFailure(error, 'name-taken') || isFailure(error, 'upload-unknown');
      const found = mayBeThere && isDoubtful ? await look() : undefined;
      if (found) return found;
      if (isLost && sent) noted ??= late.add(sent);
      if (isLost && !again) continue;
      const isRefused = isFailure(error) && !isFailure(error, 'interrupted');
      if (noted && isRefused && !mayBeThere) late.forget(noted);
      throw error;
    }
  }
}
