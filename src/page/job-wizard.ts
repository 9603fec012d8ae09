import { CallFailed, call, type Row, read } from './api.js';
import { Modal } from './dialog.js';
import { button, type Child, failure, h, put } from './dom.js';
import { estimateFacts, showFindings } from './estimate.js';
import { JobForm } from './job-form.js';
import { attempt, pause } from './screen.js';
import { texts } from './texts.js';

const STEPS = 3;

/** The wizard for a new job. Its last step is the estimate; nothing is copied before the user starts the job. */
export function addJob(connections: readonly Row[]): void {
  const ending = new AbortController();
  const modal = new Modal(texts.addJob, () => ending.abort());
  const told = h('div', { 'aria-live': 'polite' });
  const form = new JobForm(connections);

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
      form.where,
      main(texts.next, () => {
        if (form.hasBothSides) how();
        else put(told, failure(texts.chooseConnection));
      }),
    );

  const how = (): void =>
    step(
      2,
      texts.wizardHow,
      form.how,
      button(texts.back, where),
      main(texts.next, () => void define()),
    );

  const define = (): Promise<void> =>
    attempt(told, async () => {
      // The job has manual start until the user has seen the estimate.
      await estimate(await call('POST', '/v1/jobs', { ...form.body, schedule: { mode: 'manual' } }));
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
      const { schedule } = form;
      if (schedule) await call('PATCH', path, { schedule });
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
    put(told);
    modal.show(found, told, h('div', { class: 'bar' }, discard, keep, start));
    await call('POST', `${path}/estimate`);
    for (;;) {
      await pause(500);
      if (ending.signal.aborted) return;
      const { status, execution, previous_execution: last } = await read(path);
      if (execution || status === 'start' || !last) continue;
      const { estimate } = last.stats;
      if (!estimate) throw new CallFailed(0, last.reason ?? last.status);
      const findings = h('div', {});
      put(found, h('h2', {}, texts.estimateOf), estimateFacts(estimate), findings);
      await showFindings(findings, last, ending.signal);
      start.disabled = false;
      start.focus();
      return;
    }
  }

  where();
}
