import { address, call, download, type Row, read } from './api.js';
import { button, h, put, remote } from './dom.js';
import { flaggedList, itemList } from './items.js';
import { overview } from './job-overview.js';
import { showReport } from './job-report.js';
import { sideOf } from './jobs.js';
import { Paged } from './pages.js';
import { attempt, repeat, type Screen, titleOf } from './screen.js';
import { durationOf, texts, timeOf } from './texts.js';

type Part = 'overview' | 'items' | 'flagged' | 'runs' | 'report' | 'log';
const PARTS: readonly Part[] = ['overview', 'items', 'flagged', 'runs', 'report', 'log'];

/** One job: `#/jobs/ID/PART`. */
export async function jobScreen({ main, parts, signal }: Screen): Promise<void> {
  const [id = '', word] = parts;
  const part = PARTS.find((own) => own === word) ?? 'overview';
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  const job = await read(path, signal);
  const told = h('div', { 'aria-live': 'polite' });
  const body = h('div', {});
  const actions = h('div', { class: 'bar' });
  put(
    main,
    titleOf(remote(job.name)),
    h('p', { class: 'help' }, sideOf(job.transfer.source), ' → ', sideOf(job.transfer.destination)),
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
  drawActions(actions, told, path, job);
  await DRAW[part]({ job, path, body, told, signal, actions });
}

interface Drawn {
  readonly job: Row;
  readonly path: string;
  readonly body: HTMLElement;
  readonly told: HTMLElement;
  readonly actions: HTMLElement;
  readonly signal: AbortSignal;
}

const DRAW: Readonly<Record<Part, (drawn: Drawn) => Promise<void>>> = {
  async overview({ path, body, told, signal, actions }) {
    let before = '';
    let shown = '';
    repeat(signal, async () => {
      const job = await read(path, signal);
      const text = JSON.stringify(job);
      if (text !== shown) overview(body, job);
      shown = text;
      if (job.status !== before) drawActions(actions, told, path, job);
      before = job.status;
      return job.execution || job.status === 'start' ? 700 : 4000;
    });
  },
  async items({ job, body, signal }) {
    const paged = itemList(job.id, signal);
    const save = (): void =>
      void download(address('/v1/transfers/items.csv', paged.words), 'items.csv').catch(() => undefined);
    put(body, paged.element, button(texts.csv, save));
    await paged.load();
  },
  async flagged({ job, body, told, signal }) {
    const paged = flaggedList(job.id, told, signal);
    const all = (verb: 'retry' | 'ignore') => (): void =>
      void attempt(told, async () => {
        await call('PATCH', address('/v1/transfers/items', { job: job.id, [verb]: 1 }));
        await paged.load();
      });
    put(
      body,
      h('div', { class: 'bar' }, button(texts.retryAll, all('retry')), button(texts.ignoreAll, all('ignore'))),
      paged.element,
    );
    await paged.load();
  },
  async runs({ job, body, signal }) {
    const paged = new Paged({
      caption: texts.runs,
      path: '/v1/jobs/history',
      fixed: { job: job.id },
      isSearchable: false,
      empty: texts.noRuns,
      signal,
      columns: [
        { head: texts.run, cell: (row) => h('a', { href: `#/jobs/${job.id}/report/${row.id}` }, row.id) },
        { head: texts.status_, cell: (row) => row.status },
        { head: texts.simulation, cell: (row) => (row.simulation ? texts.simulations : texts.realJobs) },
        { head: texts.trigger, cell: (row) => row.trigger },
        { head: texts.started, cell: (row) => timeOf(row.start_time) },
        { head: texts.duration, cell: (row) => durationOf(row.duration.value) },
        { head: texts.copied, cell: (row) => row.stats.source.new.files },
        { head: texts.flagged, cell: (row) => row.stats.source.flagged },
        { head: texts.calls, cell: (row) => row.stats.calls },
        { head: texts.reason, cell: (row) => remote(row.reason) },
      ],
    });
    put(body, paged.element);
    await paged.load();
  },
  async report({ job, body, told, signal }) {
    await showReport(job, location.hash.split('/')[4], body, told, signal);
  },
  async log({ job, body, signal }) {
    const paged = new Paged({
      caption: texts.log,
      path: '/v1/transfers/auditing',
      fixed: { job: job.id },
      isSearchable: false,
      empty: texts.noEvents,
      signal,
      columns: [
        { head: texts.when, cell: (row) => timeOf(row.recorded_on) },
        { head: texts.level, cell: (row) => row.level },
        { head: texts.event, cell: (row) => row.event },
        { head: texts.item, cell: (row) => remote(row.target) },
        { head: texts.reason, cell: (row) => remote(row.reason) },
      ],
    });
    put(body, paged.element);
    await paged.load();
  },
};

/** What can be done with a job as it is now. */
function drawActions(place: HTMLElement, told: HTMLElement, path: string, job: Row): void {
  const isRunning = job.execution !== null || job.status === 'start';
  const verb = (text: string, word: string): HTMLElement =>
    button(
      text,
      () =>
        void attempt(told, async () => {
          await call('PATCH', `${path}?${word}=1`);
          drawActions(place, told, path, await read(path));
        }),
      { 'data-key': word, class: word === 'start' ? 'main' : undefined },
    );
  const forget = (): void => {
    if (!confirm(texts.forgetJob(job.name))) return;
    void attempt(told, async () => {
      await call('DELETE', path);
      location.hash = '#/jobs';
    });
  };
  const focused = place.contains(document.activeElement);
  put(
    place,
    isRunning ? null : verb(texts.start, 'start'),
    isRunning ? null : verb(texts.estimateAgain, 'simulate'),
    isRunning && job.status !== 'paused' ? verb(texts.pause, 'pause') : null,
    job.status === 'paused' ? verb(texts.resume, 'resume') : null,
    isRunning ? verb(texts.cancelRun, 'cancel') : null,
    button(texts.remove, forget),
  );
  if (focused) place.querySelector('button')?.focus();
}
