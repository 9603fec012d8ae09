import { call, type Row, read, reasonOf } from './api.js';
import { Modal } from './dialog.js';
import { button, choice, failure, field, h, put } from './dom.js';
import { DescribedForm } from './form.js';
import { signInAt } from './procore-sign-in.js';
import { attempt } from './screen.js';
import { texts } from './texts.js';

/** Cache of the forms from the service: each request for Procore's form starts a sign-in, so it is sent once. */
const forms = new Map<string, Row>();

async function formOf(platform: string): Promise<Row> {
  const known = forms.get(platform) ?? (await read(`/v1/connections/platforms/${platform}/new`));
  forms.set(platform, known);
  return known;
}

/** The modal to add a connection; calls `added` when it has passed its test and the user closes the modal. */
export function addConnection(platforms: readonly Row[], added: () => void): void {
  const ending = new AbortController();
  let isAdded = false;
  const modal = new Modal(texts.addConnection, () => {
    ending.abort();
    if (isAdded) added();
  });
  const place = h('div', {});
  const told = h('div', { 'aria-live': 'polite' });
  const go = button('', () => void connect(), { class: 'main' });
  const done = button(texts.done, () => modal.close(), { disabled: true });
  let form: DescribedForm | undefined;
  let link: Row;
  const platform = choice(
    platforms.map(({ id, name }) => [id, name]),
    'procore',
    () => void draw(),
  );
  const nameOf = (id: string): string => platforms.find((one) => one.id === id)?.name ?? id;

  async function draw(): Promise<void> {
    const id = platform.value;
    put(told);
    go.disabled = true;
    await attempt(told, async () => {
      link = await formOf(id);
      if (id !== platform.value) return;
      form = new DescribedForm(Object.values(link.attributes), () => put(told));
      put(place, form.element);
      go.textContent = link.method === 'oauth2' ? texts.signInWith(nameOf(id)) : texts.connect;
      go.disabled = false;
    });
  }

  async function connect(): Promise<void> {
    const missing = form?.missing();
    if (missing) return put(told, failure(texts.fillIn(missing)));
    const values = form?.values ?? {};
    setBusy(true);
    try {
      if (link.method === 'oauth2') {
        const path = `/v1/connections/platforms/${platform.value}/new`;
        await signInAt((by) => call('POST', path, { ...values, by }), told, ending.signal);
      } else {
        put(told, h('p', {}, texts.testing));
        const { name, ...auth } = values;
        await call('POST', '/v1/connections', { ...(name ? { name } : {}), platform: { id: platform.value }, auth });
      }
      isAdded = true;
      put(told, h('p', { class: 'note good' }, texts.testSucceeded));
      go.disabled = true;
      done.disabled = false;
      done.focus();
    } catch (error) {
      if (ending.signal.aborted) return;
      setBusy(false);
      put(told, failure(texts.testFailed(reasonOf(error))));
      go.focus();
    }
  }

  function setBusy(is: boolean): void {
    go.disabled = is;
    platform.disabled = is;
    if (form) form.isDisabled = is;
  }

  modal.show(
    field(texts.platform, platform),
    place,
    told,
    h(
      'div',
      { class: 'bar' },
      go,
      h('span', { class: 'end' }),
      button(texts.cancel, () => modal.close()),
      done,
    ),
  );
  void draw();
}
