import { realpathSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { Failure } from '../base/errors.js';
import type { MountRecord, StateFolder } from '../project/state-folder.js';

/** The mount at exactly this mount point. @throws Failure `not-mounted` */
export function mountAt(state: StateFolder, mountpoint: string): MountRecord {
  const record = state.mount(resolve(mountpoint)) ?? state.mount(real(mountpoint));
  if (!record) throw new Failure('not-mounted', { path: mountpoint });
  return record;
}

/** The mount that holds a path, and the path within it. @throws Failure `not-mounted` */
export function mountHolding(
  state: StateFolder,
  path: string,
): { readonly record: MountRecord; readonly path: string } {
  const absolute = resolve(path);
  for (let at = absolute; ; at = dirname(at)) {
    const record = state.mount(at);
    if (record) return { record, path: relative(at, absolute) };
    if (at === dirname(at)) throw new Failure('not-mounted', { path });
  }
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
