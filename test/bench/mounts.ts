import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Installation } from '../support/mounted.js';

/** Unmounts and waits until the daemon is gone, so that nothing of it falls into what is measured next. */
export async function unmount(installation: Installation, mountpoint: string): Promise<void> {
  const { pid } = await installation.status(mountpoint);
  await installation.must(['umount', mountpoint]);
  while (existsSync(`/proc/${pid}`)) await sleep(20);
}
