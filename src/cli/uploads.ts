import { Failure } from '../base/errors.js';
import { askMount, askWithin, LOOK_LIMIT_MS } from '../daemon/control.js';
import type { UploadLine } from '../outbox/uploads-view.js';
import type { MountRecord } from '../project/state-folder.js';
import { type Chosen, chosenMounts } from './chosen-mounts.js';
import type { Command } from './command.js';
import { DrainProgressLine } from './drain-progress.js';
import { numberFlag } from './flags.js';
import { bytes, columns, plural } from './format.js';

const ACTIONS = ['retry', 'discard', 'release'];
/** Default time limit of `drain` in seconds. */
const DRAIN_TIMEOUT_S = 600;

export const uploads: Command = {
  name: 'uploads',
  arguments: '[mountpoint] [action] [ids...]',
  summary: 'what waits to go up and why; retry, discard or release it',
  async run(context) {
    const { records, of, rest } = chosenMounts(context, ACTIONS);
    const [action, ...ids] = rest;
    if (action !== undefined && !ACTIONS.includes(action))
      throw new Failure('usage', { what: `${action} is none of ${ACTIONS.join(', ')}` });
    if (action !== undefined) {
      const lost = await Promise.all(records.map((one) => askMount<string[] | null>(one, action, { ...of, ids })));
      for (const path of lost.flatMap((paths) => paths ?? [])) context.print(`the bytes are in ${path}`);
      return;
    }
    const lines = await allLines(records, of);
    context.show(lines, () => describe(lines));
  },
};

export const drainCommand: Command = {
  name: 'drain',
  arguments: '[mountpoint]',
  summary: 'wait until everything written is at the server',
  flags: [{ flags: '--timeout <S>', help: `seconds (default: ${DRAIN_TIMEOUT_S})` }],
  async run(context) {
    const { records, of } = chosenMounts(context);
    const timeout = numberFlag(context, 'timeout') ?? DRAIN_TIMEOUT_S;
    const progress = new DrainProgressLine();
    const asked = records.map((one) => {
      const tell = context.json ? undefined : progress.of(one);
      return askMount<UploadLine[]>(one, 'drain', { ...of, timeout }, undefined, tell);
    });
    const left = (await Promise.all(asked).finally(() => progress.end())).flat();
    context.show(left, () => (left.length === 0 ? 'everything is at the server' : describe(left)));
    if (left.length > 0) throw new Failure('uploads-left', { count: left.length });
  },
};

async function allLines(records: readonly MountRecord[], of: Chosen['of']): Promise<UploadLine[]> {
  return (
    await Promise.all(records.map((record) => askWithin<UploadLine[]>(LOOK_LIMIT_MS, record, 'uploads', of)))
  ).flat();
}

export function describe(lines: readonly UploadLine[]): string {
  if (lines.length === 0) return 'nothing waits';
  const rows = lines.map((line) => [
    // There is nothing to retry or discard.
    line.state === 'kept' || line.state === 'late' ? '-' : String(line.id),
    line.state,
    line.what,
    line.bytes === 0 ? '' : bytes(line.bytes),
    line.since.slice(0, 19).replace('T', ' '),
    line.path,
    line.reason ?? '',
  ]);
  return `${plural(lines.length, 'change')}\n${columns([['ID', 'STATE', 'WHAT', 'SIZE', 'SINCE (UTC)', 'PATH', 'WHY'], ...rows])}`;
}
