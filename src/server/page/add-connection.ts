import { CallFailed, call, type Row, read, reasonOf } from './api.js';
import { Modal } from './dialog.js';
import { button, choice, failure, field, h, put } from './dom.js';
import { DescribedForm } from './form.js';
import { texts } from './texts.js';

/** Forms as the service described them: asking for Procore's begins a sign-in, so once is enough. */
const forms = new Map<string, Row>();

async function formOf(platform: string): Promise<Row> {
  const known = forms.get(platform) ?? (await read(`/v1/connections/platforms/${platform}/new`));
  forms.set(platform, known);
  return known;
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The modal by which a connection is added; `added` when it has passed its test and the person is done. */
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
    try {
      link = await formOf(id);
      if (id !== platform.value) return;
      form = new DescribedForm(link.attributes, () => put(told));
      put(place, form.element);
      go.textContent = link.method === 'oauth2' ? texts.signInWith(nameOf(id)) : texts.connect;
      go.disabled = false;
    } catch (error) {
      put(told, failure(reasonOf(error)));
    }
  }

  async function connect(): Promise<void> {
    const missing = form?.missing();
    if (missing) return put(told, failure(texts.fillIn(missing)));
    const values = form?.values ?? {};
    setBusy(true);
    try {
      if (link.method === 'oauth2') {
        const pending = beginSignIn(call('POST', `/v1/connections/platforms/${platform.value}/new`, values), told);
        await completed(await pending, ending.signal);
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

/** A person signs in again to a connection that there is. */
export async function signInAgain(connection: Row, changed: () => void): Promise<void> {
  const ending = new AbortController();
  const modal = new Modal(`${texts.signInAgain}: ${connection.name}`, () => {
    ending.abort();
    changed();
  });
  const told = h('div', { 'aria-live': 'polite' });
  const done = button(texts.done, () => modal.close(), { disabled: true });
  modal.show(
    told,
    h(
      'div',
      { class: 'bar' },
      button(texts.cancel, () => modal.close()),
      done,
    ),
  );
  try {
    const pending = beginSignIn(read(`/v1/connections/${connection.id}/edit`), told);
    await completed(await pending, ending.signal);
    put(told, h('p', { class: 'note good' }, texts.testSucceeded));
    done.disabled = false;
    done.focus();
  } catch (error) {
    if (!ending.signal.aborted) put(told, failure(texts.testFailed(reasonOf(error))));
  }
}

/** Opens the sign-in page; the window is asked for at once, since browsers open none later than a click. */
async function beginSignIn(asked: Promise<Row>, told: HTMLElement): Promise<Row> {
  const opened = window.open('about:blank', '_blank', 'popup,width=800,height=700');
  let link: Row;
  try {
    link = await asked;
  } catch (error) {
    opened?.close();
    throw error;
  }
  const { target } = link;
  // Only a page of the web: an address may come from what somebody typed.
  if (typeof target !== 'string' || !/^https?:\/\//.test(target)) {
    opened?.close();
    throw new CallFailed(0, texts.status(200));
  }
  if (opened) opened.location.href = target;
  put(
    told,
    h('p', {}, texts.waitingForSignIn),
    h('p', {}, h('a', { href: target, target: '_blank', rel: 'noopener noreferrer' }, texts.openSignIn)),
  );
  return link;
}

/** Resolves when the sign-in has made a connection that passed its test. */
async function completed(link: Row, signal: AbortSignal): Promise<void> {
  for (;;) {
    await wait(1000);
    signal.throwIfAborted();
    const { state, error } = await read(link.links.status, signal);
    if (state === 'succeeded') return;
    if (state === 'failed') throw new CallFailed(0, error.description, error.remedy);
  }
}
