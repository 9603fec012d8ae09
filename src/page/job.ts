import { call, type Row, read } from './api.js';
import { changeJob } from './change-job.js';
import { button, h, put, remote, say, visible } from './dom.js';
import { captionOf, timeOf } from './format.js';
import { itemList } from './items.js';
import { showFlagged } from './job-flagged.js';
import { JobOverview } from './job-overview.js';
import { showReport } from './job-report.js';
import { showValidation } from './job-validation.js';
import { sideOf } from './jobs.js';
import { follow } from './live.js';
import { Paged, type PagedOptions, type Refresh, refreshing } from './pages.js';
import { runColumns } from './runs.js';
import { attempt, oneAtATime, type Screen, titleOf } from './screen.js';
import { forManagers } from './session.js';
import { texts } from './texts.js';

/** One job: `#/jobs/ID/PART`. */
export async function jobScreen({ main, parts, signal }: Screen): Promise<void> {
  const [id = '', word, run] = parts;
  const part = PARTS.find((own) => own === word) ?? 'overview';
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  let job = await read(path, signal);
  const told = h('div', { 'aria-live': 'polite' });
  const body = h('div', {});
  const actions = h('div', { class: 'bar' });
  const title = titleOf('');
  const sides = h('p', { class: 'help' });
  const show = (): void => {
    put(title, remote(job.name));
    put(sides, sideOf(job.transfer.source), ' → ', sideOf(job.transfer.destination));
    drawActions(actions, told, path, job, changed);
  };
  const changed = (after: Row): void => {
    job = after;
    show();
    refresh?.(job);
  };
  let refresh: Refresh | undefined;
  put(
    main,
    title,
    sides,
    actions,
    told,
    h(
      'nav',
      { class: 'tabs', 'aria-label': texts.job },
      ...PARTS.map((own) =>
        h(
          'a',
          { href: `#/jobs/${encodeURIComponent(id)}/${own}`, 'aria-current': own === part ? 'page' : undefined },
          texts[own],
        ),
      ),
    ),
    body,
  );
  show();
  refresh = await DRAW[part]({ job, run, body, told, signal });
  const reread = oneAtATime(signal, async () => changed(await read(path, signal)));
  let seen = '';
  void follow('jobs', signal, (jobs: readonly Row[]) => {
    const now = jobs.find((one) => one.id === job.id);
    const text = JSON.stringify(now);
    if (!now || text === seen) return;
    const isFirst = seen === '';
    seen = text;
    const run = job.execution ?? job.previous_execution;
    const isSameRun = (run?.id ?? null) === (now.execution?.id ?? null);
    if (!isSameRun || (job.execution !== null) !== (now.execution?.running ?? false)) return reread();
    if (now.status !== job.status && !isFirst) say(captionOf(texts.statuses, now.status));
    changed(withLive(job, now));
  });
}

/** The job updated with an event about the job and its run. */
function withLive(job: Row, now: Row): Row {
  const { status, health, execute_on, counts, execution } = now;
  const live = { ...job, status, health, execute_on, counts };
  if (!job.execution) return live;
  const { progress, phase, reason, stats } = execution;
  const value = Math.max(0, Date.now() - job.execution.start_time * 1000);
  return {
    ...live,
    execution: { ...job.execution, status: execution.status, progress, phase, reason, stats, duration: { value } },
  };
}

interface Drawn {
  readonly job: Row;
  /** Id of the run in the address, whose report is shown. */
  readonly run: string | undefined;
  readonly body: HTMLElement;
  readonly told: HTMLElement;
  readonly signal: AbortSignal;
}

/** The tabs of a job. */
/** A list of what one job did. */
const ofJob = (
  job: Row,
  signal: AbortSignal,
  options: Omit<PagedOptions, 'fixed' | 'isSearchable' | 'signal'>,
): Paged => new Paged({ ...options, fixed: { job: job.id }, isSearchable: false, signal });

const DRAW = {
  async overview({ job, body }) {
    const overview = new JobOverview(body);
    overview.show(job);
    return (now) => overview.show(now);
  },
  async items({ job, body, told, signal }) {
    const paged = itemList(job.id, signal);
    put(body, paged.element, paged.csv(told, 'items.csv'));
    return refreshing(paged, signal);
  },
  flagged: ({ job, body, told, signal }) => showFlagged(job, body, told, signal),
  validation: ({ job, body, told, signal }) => showValidation(job, body, told, signal),
  async runs({ job, body, signal }) {
    const paged = ofJob(job, signal, {
      caption: texts.runs,
      path: '/v1/jobs/history',
      empty: texts.noRuns,
      columns: runColumns(),
    });
    put(body, paged.element);
    return refreshing(paged, signal);
  },
  async report({ job, run, body, told, signal }) {
    await showReport(job, run, body, told, signal);
    return undefined;
  },
  async log({ job, body, told, signal }) {
    const paged = ofJob(job, signal, {
      caption: texts.log,
      path: '/v1/transfers/auditing',
      empty: texts.noEvents,
      columns: [
        { head: texts.when, cell: (row) => timeOf(row.recorded_on) },
        { head: texts.level, cell: (row) => row.level },
        { head: texts.event, cell: (row) => row.event },
        { head: texts.item, cell: (row) => remote(row.target) },
        { head: texts.reason, cell: (row) => remote(row.reason) },
      ],
    });
    put(body, paged.element, paged.csv(told, 'log.csv'));
    return refreshing(paged, signal);
  },
} satisfies Record<string, (drawn: Drawn) => Promise<Refresh | undefined>>;

type Part = keyof typeof DRAW;
const PARTS = Object.keys(DRAW) as Part[];

/** Draws the buttons that apply to the job in its current state. */
function drawActions(
  place: HTMLElement,
  told: HTMLElement,
  path: string,
  job: Row,
  changed: (after: Row) => void,
): void {
  const isRunning = job.execution !== null || job.status === 'start';
  const state = `${isRunning} ${job.status === 'paused'}`;
  if (place.dataset.state === state) return;
  place.dataset.state = state;
  const verb = (text: string, word: string): HTMLElement =>
    button(text, () => void attempt(told, async () => changed(await call('PATCH', `${path}?${word}=1`))), {
      'data-key': word,
      class: word === 'start' ? 'main' : undefined,
    });
  const forget = (): void => {
    if (!confirm(texts.forgetJob(visible(job.name)))) return;
    void attempt(told, async () => {
      await call('DELETE', path);
      location.hash = '#/jobs';
    });
  };
  const edit = (): void => void attempt(told, async () => changeJob(await read(path), changed));
  const copy = (): void =>
    void attempt(told, async () => {
      location.hash = `#/jobs/${(await call('POST', `${path}/clone`)).id}`;
    });
  const focused = place.contains(document.activeElement);
  put(
    place,
    ...(forManagers(() => [
      isRunning ? null : verb(texts.start, 'start'),
      isRunning ? null : verb(texts.estimateAgain, 'simulate'),
      isRunning && job.status !== 'paused' ? verb(texts.pause, 'pause') : null,
      job.status === 'paused' ? verb(texts.resume, 'resume') : null,
      isRunning ? verb(texts.cancelRun, 'cancel') : null,
      isRunning ? null : button(texts.edit, edit, { 'data-key': 'edit' }),
      button(texts.duplicate, copy, { 'data-key': 'copy' }),
      button(texts.remove, forget),
    ]) ?? []),
  );
  if (focused) place.querySelector('button')?.focus();
}
