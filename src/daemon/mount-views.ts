import { Failure, isFailure } from '../base/errors.js';
import type { MountRecord, StateFolder } from '../project/state-folder.js';
import type { MountView, MountViews } from '../server/parts.js';
import { askMount, askWithin, isAbsent, LOOK_LIMIT_MS } from './control.js';
import type { MountStatus } from './status.js';

/**
 * The mounts of a state folder for the HTTP API. Each is queried over the socket of its daemon.
 * @param limit milliseconds after which a mount that does not report its status is shown as dead
 */
export const mountViews = (state: StateFolder, limit = LOOK_LIMIT_MS): MountViews => ({
  status: () => Promise.all(state.mounts().map((record) => viewOf(record, limit))),
  async ask<T>(mountpoint: string, method: string, parameters: Record<string, unknown>, signal: AbortSignal) {
    const record = state.mount(mountpoint);
    if (!record) throw new Failure('not-mounted', { path: mountpoint });
    try {
      return await askMount<T>(record, method, { ...parameters, mountpoint }, signal);
    } catch (error) {
      if (isAbsent(error)) throw new Failure('not-mounted', { path: mountpoint }, error);
      throw error;
    }
  },
});

async function viewOf(record: MountRecord, limit: number): Promise<MountView> {
  try {
    const status = await askWithin<MountStatus>(limit, record, 'status', { mountpoint: record.mountpoint });
    return { ...status, source: record.source };
  } catch (error) {
    const { mountpoint, source } = record;
    if (isAbsent(error) || isFailure(error, 'not-mounted')) return { mountpoint, source, state: 'dead' };
    // The daemon may be shutting down. Any failure is shown for this mount only, not for the others.
    const failure = isFailure(error) ? error : new Failure('internal', {}, error);
    return { mountpoint, source, state: 'dead', reason: failure.line };
  }
}
