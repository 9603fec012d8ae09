import type { MountRecord } from '../project/state-folder.js';
import type { CommandContext } from './command.js';
import { mountAt } from './find-mount.js';

export interface Chosen {
  readonly records: MountRecord[];
  /** Parameter for the daemon that selects one of its mounts; empty: all. */
  readonly of: { readonly mountpoint?: string };
  readonly rest: readonly string[];
}

/** The mount of the first argument, or all mounts if it is absent or in `notMounts`; and the other arguments. */
export function chosenMounts(context: CommandContext, notMounts: readonly string[] = []): Chosen {
  const [first, ...rest] = context.args;
  if (first === undefined || notMounts.includes(first))
    return { records: onePerDaemon(context.state().mounts()), of: {}, rest: context.args };
  const record = mountAt(context.state(), first);
  return { records: [record], of: { mountpoint: record.mountpoint }, rest };
}

/** One record per daemon, since a daemon answers for all of its mounts. */
const onePerDaemon = (records: readonly MountRecord[]): MountRecord[] => [
  ...new Map(records.map((record) => [record.socket, record])).values(),
];
