import { call, list, type Row } from './api.js';
import { Modal } from './dialog.js';
import { button, h } from './dom.js';
import { JobForm } from './job-form.js';
import { attempt } from './screen.js';
import { texts } from './texts.js';

/** The modal to change a job, including its source and destination. */
export async function changeJob(job: Row, changed: (job: Row) => void): Promise<void> {
  const modal = new Modal(texts.edit, undefined, job.name);
  const told = h('div', { 'aria-live': 'polite' });
  await attempt(told, async () => {
    const { rows } = await list('/v1/connections', { limit: 1000 });
    const form = new JobForm(rows, job);
    const save = button(
      texts.save,
      () =>
        void attempt(told, async () => {
          const after = await call('PATCH', `/v1/jobs/${job.id}`, form.body);
          modal.close();
          changed(after);
        }),
      { class: 'main' },
    );
    modal.show(
      ...form.how,
      ...form.where,
      told,
      h(
        'div',
        { class: 'bar' },
        button(texts.cancel, () => modal.close()),
        save,
      ),
    );
  });
  if (told.hasChildNodes() && !told.isConnected)
    modal.show(
      told,
      button(texts.close, () => modal.close()),
    );
}
