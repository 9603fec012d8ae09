import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Failure } from '../base/errors.js';
import type { RemoteItem } from './items.js';
import { parseListing } from './listing.js';
import { type Body, memoryOf, parcel } from './transport/body.js';

/** Size from which on a reply is parsed in a thread of its own: it contains every child of a folder. */
const LARGE_REPLY_BYTES = 256 * 1024;

/**
 * The folder of a reply that may also contain its children, of which there can be a hundred thousand.
 * @throws Failure `bad-reply`, or what `toFolder` throws
 */
export async function folderAlone(body: Body, host: string, call: string): Promise<RemoteItem> {
  if (body.encoding === 'identity' && body.size < LARGE_REPLY_BYTES) return parseListing(body.bytes, host, call).folder;
  const sent = parcel(body);
  const worker = new Worker(new URL('./large-folder-worker.js', import.meta.url), {
    workerData: sent,
    transferList: memoryOf(sent),
  });
  try {
    const [item] = (await once(worker, 'message')) as [RemoteItem];
    return item;
  } catch (error) {
    throw new Failure('bad-reply', { host, call, why: 'it is not JSON' }, error);
  } finally {
    await worker.terminate();
  }
}
