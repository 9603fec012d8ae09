import { CallFailed, call, type Row, read } from './api.js';
import { Modal } from './dialog.js';
import { button, type Child, choice, facts, failure, field, h, put } from './dom.js';
import { FolderPicker } from './folder-picker.js';
import { attempt } from './screen.js';
import { bytesOf, texts, wordOf } from './texts.js';

const STEPS = 3;
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What an estimate says, as pairs. */
export const estimateFacts = (estimate: Row): HTMLElement =>
  facts(
    Object.entries(estimate)
      .filter(([key, value]) => typeof value === 'number' && !['id', 'execution_id'].includes(key))
      .map(([key, value]) => [wordOf(key), key === 'bytes' ? bytesOf(value as number) : String(value)] as const),
  );

/** The steps to a new job; it ends with the estimate, and nothing is copied before somebody says so. */
export function addJob(connections: readonly Row[]): void {
  const ending = new AbortController();
  const modal = new Modal(texts.addJob, () => ending.abort());
  const told = h('div', { 'aria-live': 'polite' });
  const options: (readonly [string, string])[] = [
    ['', texts.none],
    ...connections.map(({ id, name }) => [id, name] as const),
  ];
  const side = (label: string) => {
    const connection = choice(options, '', () => folder.clear());
    const folder = new FolderPicker(`${label}: ${texts.folder}`, '', () => connection.value);
    const box = h('fieldset', {}, h('legend', {}, label), field(texts.connection, connection), folder.element);
    return { box, of: () => ({ connection: { id: connection.value }, target: { path: folder.path || '/' } }) };
  };
  const source = side(texts.source);
  const destination = side(texts.destination);
  const name = h('input', { autocomplete: 'off', required: true, maxlength: 200 });
  const type = choice(texts.transferTypes, 'copy');
  const conflicts = choice(texts.conflictWords, 'copy');
  const schedule = choice(texts.scheduleWords, 'manual');

  const step = (at: number, title: string, body: readonly Child[], ...buttons: Child[]): void => {
    modal.title = `${texts.addJob} – ${texts.step(at, STEPS, title)}`;
    put(told);
    modal.show(
      ...body,
      told,
      h(
        'div',
        { class: 'bar' },
        button(texts.cancel, () => modal.close()),
        ...buttons,
      ),
    );
  };
  const main = (text: string, act: () => void): HTMLElement => button(text, act, { class: 'main' });

  const where = (): void =>
    step(
      1,
      texts.wizardWhere,
      [source.box, destination.box],
      main(texts.next, () => {
        const isComplete = source.of().connection.id && destination.of().connection.id;
        if (isComplete) how();
        else put(told, failure(texts.chooseConnection));
      }),
    );

  const how = (): void =>
    step(
      2,
      texts.wizardHow,
      [
        field(texts.jobName, name, texts.jobNameHelp),
        field(texts.kind, type),
        field(texts.conflicts, conflicts),
        field(texts.schedule, schedule),
      ],
      button(texts.back, where),
      main(texts.next, () => void define()),
    );

  const define = (): Promise<void> =>
    attempt(told, async () => {
      if (name.value.trim() === '') {
        name.focus();
        throw new CallFailed(0, texts.fillIn(texts.jobName));
      }
      // Only when started, until the estimate was seen.
      const job = await call('POST', '/v1/jobs', {
        name: name.value,
        kind: 'transfer',
        transfer: {
          transfer_type: type.value,
          conflict_resolution: conflicts.value,
          source: source.of(),
          destination: destination.of(),
        },
        schedule: { mode: 'manual' },
      });
      await estimate(job);
    });

  async function estimate(job: Row): Promise<void> {
    const path = `/v1/jobs/${job.id}`;
    const found = h(
      'div',
      {},
      h('p', { role: 'status' }, texts.estimating),
      h('progress', { 'aria-label': texts.progress }),
    );
    const go = (act: () => Promise<void>): void =>
      void attempt(told, async () => {
        await act();
        modal.close();
      });
    const open = (): void => {
      location.hash = `#/jobs/${job.id}`;
    };
    const settle = async (): Promise<void> => {
      if (schedule.value !== 'manual') await call('PATCH', path, { schedule: { mode: schedule.value } });
    };
    const start = button(
      texts.startNow,
      () =>
        go(async () => {
          await settle();
          await call('PATCH', `${path}?start=1`);
          open();
        }),
      { class: 'main', disabled: true },
    );
    const keep = button(texts.keep, () =>
      go(async () => {
        await settle();
        open();
      }),
    );
    const discard = button(texts.discardJob, () => go(async () => void (await call('DELETE', path))));
    modal.title = `${texts.addJob} – ${texts.step(3, STEPS, texts.wizardEstimate)}`;
    modal.show(found, told, h('div', { class: 'bar' }, discard, keep, start));
    await call('POST', `${path}/estimate`);
    for (;;) {
      await wait(500);
      if (ending.signal.aborted) return;
      const { status, execution, previous_execution: last } = await read(path);
      if (execution || status === 'start' || !last) continue;
      const estimate = last.stats.estimate ?? undefined;
      if (!estimate) throw new CallFailed(0, last.reason ?? last.status);
      put(found, h('h2', {}, texts.estimateOf), estimateFacts(estimate));
      start.disabled = false;
      start.focus();
      return;
    }
  }

  where();
}
