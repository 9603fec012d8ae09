import { isFailure } from '../../base/errors.js';
import { NO_REMOTE } from '../../outbox/intents/intent.js';
import type { LateCall, LateCalls } from '../../outbox/intents/late-calls.js';

/**
 * Does something that makes a thing; when the reply is lost, looks before doing it again, and when that is refused looks
 * once more: the server may have finished the first late.
 * @param sent what is remembered while nothing of it can be seen; of a version from before the call on, so that it is
 *   known after a crash, until who asked has it
 * @param wasTried an earlier attempt may have made it, of which nobody knows
 * @throws Failure of the call; `name-taken` where somebody else was faster
 */
export async function once<T>(
  make: () => Promise<T>,
  look: () => Promise<T | undefined>,
  sent: Omit<LateCall, 'at'> | undefined,
  late: LateCalls,
  wasTried = false,
): Promise<T> {
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
