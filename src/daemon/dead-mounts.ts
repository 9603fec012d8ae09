import { abortOrphan, clearDeadMount } from '../fuse/mountpoint.js';
import { isOrphaned, type StateFolder } from '../project/state-folder.js';

/**
 * Unmounts what a killed daemon left at `mountpoint`, and aborts all orphaned mounts on which programs hang. This also
 * releases the locks that a killed daemon still holds.
 *
 * @returns whether there was a dead mount at `mountpoint`
 */
export async function clearDeadMounts(state: StateFolder, mountpoint: string): Promise<boolean> {
  let ended = false;
  for (const record of state.mounts())
    if (isOrphaned(record) && (await abortOrphan(record.mountpoint))) ended ||= record.mountpoint === mountpoint;
  return (await clearDeadMount(mountpoint)) || ended;
}
