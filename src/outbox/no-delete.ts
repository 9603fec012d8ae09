import { Failure } from '../base/errors.js';
import { type Intent, isLocal, NO_REMOTE } from './intents/intent.js';
import type { NameGuard } from './tree/name-policy.js';
import { isPublished } from './upload/publish.js';

/**
 * With `no_delete`, nothing can be deleted that the server has or is to get. Swap files, and files that a program
 * renames away while it saves, can be, or nothing could be saved.
 * @throws Failure `delete-forbidden` (EPERM)
 */
export function requireNoDocument(intent: Intent, names: NameGuard): void {
  const isTemporary = isLocal(intent) || !isPublished(names.kind(intent.name, intent.folder));
  if (intent.remoteId !== NO_REMOTE || !isTemporary) throw new Failure('delete-forbidden');
}
