import { systemClock } from '../base/clock.js';
import { isFailure } from '../base/errors.js';
import { oneLine } from '../base/text.js';
import { askWithin, isAbsent, LOOK_LIMIT_MS } from '../daemon/control.js';
import type { MountStatus } from '../daemon/status.js';
import type { MountRecord, StateFolder } from '../project/state-folder.js';
import { budgetRows } from './budget-rows.js';
import type { Command, CommandContext } from './command.js';
import { mountAt } from './find-mount.js';
import { bytes, columns, plural } from './format.js';
import { describePins } from './pin.js';

/** Polling interval of `--watch` in milliseconds. */
const WATCH_INTERVAL_MS = 500;

/** A mount whose daemon does not answer: the daemon was killed or is shutting down. */
interface NoAnswer {
  readonly mountpoint: string;
  readonly source: string;
  readonly state: 'dead';
}

export const status: Command = {
  name: 'status',
  arguments: '[mountpoint]',
  summary: 'what the mounts do: crawl, calls left, cache, freshness',
  flags: [{ flags: '--watch', help: 'until the crawl is done, a line whenever something changed' }],
  async run(context) {
    const state = context.state();
    const mountpoint = context.args[0];
    if (context.flags.watch) return watch(state, mountpoint, context);
    if (mountpoint !== undefined) {
      const answer = await statusOf(mountAt(state, mountpoint));
      return context.show(answer, () => describe(answer));
    }
    const answers = await Promise.all(state.mounts().map(statusOf));
    context.show(answers, () => (answers.length === 0 ? 'nothing is mounted' : answers.map(describe).join('\n\n')));
  },
};

async function statusOf(record: MountRecord): Promise<MountStatus | NoAnswer> {
  try {
    return await askWithin<MountStatus>(LOOK_LIMIT_MS, record, 'status', { mountpoint: record.mountpoint });
  } catch (error) {
    if (!isAbsent(error) && !isFailure(error, 'not-mounted')) throw error;
    return { mountpoint: record.mountpoint, source: record.source, state: 'dead' };
  }
}

/** Prints one line for each change: text, or with `--json` a JSON array of statuses. */
async function watch(state: StateFolder, mountpoint: string | undefined, context: CommandContext): Promise<void> {
  let before = '';
  for (;;) {
    const records = mountpoint === undefined ? state.mounts() : [mountAt(state, mountpoint)];
    const answers = await Promise.all(records.map(statusOf));
    const line = answers.map((answer) => `${answer.mountpoint}: ${progress(answer)}`).join('\n');
    if (line !== before) context.show(answers, () => line);
    before = line;
    if (answers.every((answer) => answer.state === 'dead' || ('crawl' in answer && answer.crawl.done))) return;
    await systemClock.sleep(WATCH_INTERVAL_MS);
  }
}

function progress(answer: MountStatus | NoAnswer): string {
  if (answer.state === 'dead' || !('crawl' in answer)) return 'dead (the next mount clears it)';
  const { items, total, done } = answer.crawl;
  if (done) return `${answer.state}, ${plural(items, 'item')}`;
  return `${answer.state}, ${plural(items, 'item')}${total ? ` of ${total.toLocaleString('en-US')}` : ''}`;
}

/** Rows for the project, or for the company and its open projects. */
function shownRows({ connection, project, company, projects = [] }: MountStatus): string[][] {
  if (project) return [['project', `${connection}: ${project.name} (${project.id})`]];
  const open = projects
    .map(({ name, state }) => (state === 'ready' ? oneLine(name) : `${oneLine(name)} (${state})`))
    .join(', ');
  return [
    ['company', `${connection}: ${plural(company?.projects ?? 0, 'project')}`],
    ['open', open || 'none: a project is opened when it is used'],
  ];
}

/** Rows for the changes that wait for upload, and those that need action by the user. */
function outboxRows({ pending, held, failed, braked }: MountStatus['outbox']): string[][] {
  const rows = pending + held + failed === 0 ? [] : [['changes', `${pending} waiting, ${held} held, ${failed} failed`]];
  return braked
    ? [
        ...rows,
        ['ALARM', 'many deletions or overwrites at once are held: `procorefs uploads`, then release or discard'],
      ]
    : rows;
}

function describe(answer: MountStatus | NoAnswer): string {
  if (!('crawl' in answer)) return `${answer.mountpoint}: dead (the next mount clears it)`;
  const { budget, cache, mirror } = answer;
  const lookups = mirror.lru.hits + mirror.lru.misses;
  const rows = [
    ...shownRows(answer),
    ['state', progress(answer)],
    ['fresh', `changes show within ${answer.freshness} s`],
    ...outboxRows(answer.outbox),
    ...budgetRows(budget),
    [
      'cache',
      `${bytes(cache.bytes)} of ${bytes(cache.limit)}, ${plural(cache.hits, 'hit')}, ${plural(cache.misses, 'miss', 'misses')}`,
    ],
    ...(answer.pins.items === 0 ? [] : [['pinned', describePins(answer.pins)]]),
    ...(answer.previews.bytes + answer.previews.refused === 0
      ? []
      : [
          [
            'previews',
            `${bytes(answer.previews.bytes)} of ${bytes(answer.previews.limit)} an hour, ${plural(answer.previews.refused, 'refusal')}`,
          ],
        ]),
    [
      'items',
      `${mirror.lru.entries} of ${mirror.lru.limit} in memory, hit rate ${lookups === 0 ? '–' : `${Math.round((100 * mirror.lru.hits) / lookups)} %`}`,
    ],
    ['driver', `${answer.driver}${answer.passthrough ? ', passthrough' : ''}, process ${answer.pid}`],
  ];
  for (const { name, status, next_run, last } of answer.jobs)
    rows.push([
      'job',
      [
        `${name}: ${last?.status.replaceAll('_', ' ') ?? status}`,
        ...(last ? [`${plural(last.copied, 'file')}, ${bytes(last.bytes)}, ${plural(last.calls, 'call')}`] : []),
        ...(next_run === undefined ? [] : [`next run ${next_run.slice(0, 16).replace('T', ' ')} UTC`]),
      ].join('; '),
    ]);
  return `${answer.mountpoint}\n${columns(rows.map(([key, value]) => [`  ${key}`, value!]))}`;
}
