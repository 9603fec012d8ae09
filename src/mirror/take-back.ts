import { Failure, isFailure } from '../base/errors.js';
import type { ProjectId, RemoteId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import type { ProcoreClient } from '../procore/client.js';
import type { ProcoreWrites, WrittenItem } from '../procore/writes.js';
import type { Item } from './database/view.js';

export interface TakeBackOptions {
  readonly client: ProcoreClient;
  readonly writes: ProcoreWrites;
  readonly project: ProjectId;
}

/**
 * Restores an item from the recycle bin to a folder, a folder with everything in it: 1 call, 1 more if the reply is
 * lost.
 * @throws Failure `name-taken`, `gone` (also if the server restores nothing), or as a call does
 */
export async function takeBack(
  { client, writes, project }: TakeBackOptions,
  { isFile, remoteId, name: what }: Item,
  to: { readonly parentId: RemoteId; readonly name?: string },
  call: CallOptions,
): Promise<WrittenItem> {
  const look = async (): Promise<WrittenItem> => {
    if (isFile) return client.fileNow(project, remoteId, call);
    const { folder, serverTime } = await client.folder(project, remoteId, call);
    return { item: folder, serverTime };
  };
  for (let again = false; ; again = true)
    try {
      const written = await (isFile
        ? writes.updateFile(project, remoteId, to, call)
        : writes.updateFolder(project, remoteId, to, call));
      if (written.item.deleted) throw new Failure('gone', { what });
      return written;
    } catch (error) {
      const isLost = isFailure(error, 'reply-lost');
      // If the first call takes effect late, the second one is refused because the item itself has the name.
      const now = isLost || (again && isFailure(error, 'name-taken')) ? await look() : undefined;
      if (now && !now.item.deleted) return now;
      // The call states the desired result: repeating it does no harm.
      if (!isLost || again) throw error;
    }
}
