import type { MountRecord } from '../project/state-folder.js';
import type { CommandContext } from './command.js';
import { mountAt } from './find-mount.js';

export interface Chosen {
  readonly records: MountRecord[];
  /** For the daemon: which of its mounts is meant. */
  readonly of: { readonly mountpoint?: string };
  readonly rest: readonly string[];
}

/** The mount that the first word names, or all where there is none or it is one of `notMounts`; and the words after it. */
export function chosenMounts(context: CommandContext, notMounts: readonly string[] = []): Chosen {
  const [first, ...rest] = context.args;
  if (first === undefined || notMounts.includes(first))
    return { records: onePerDaemon(context.state().mounts()), of: {}, rest: context.args };
  const record = mountAt(context.state(), first);
  return { records: [record], of: { mountpoint: record.mountpoint }, rest };
}

/** A daemon answers for all of its mounts at once. */
const onePerDaemon = (records: readonly MountRecord[]): MountRecord[] => [
  ...new Map(records.map((record) => [record.socket, record])).values(),
];
