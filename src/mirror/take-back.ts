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
 * Takes an item out of the recycle bin, a folder with all that is in it, to a folder: 1 call, 1 more where its reply is
 * lost.
 * @throws Failure `name-taken`, `gone` (also where the server gives nothing back), or as a call does
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
      // A server that finishes late refuses its own name the second time.
      const now = isLost || (again && isFailure(error, 'name-taken')) ? await look() : undefined;
      if (now && !now.item.deleted) return now;
      // It says what is to be: doing it twice does no harm.
      if (!isLost || again) throw error;
    }
}
