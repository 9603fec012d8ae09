import { call, type Row, read, reasonOf } from './api.js';
import { Modal } from './dialog.js';
import { button, failure, h, put } from './dom.js';
import { DescribedForm } from './form.js';
import { signInAt } from './procore-sign-in.js';
import { attempt } from './screen.js';
import { texts } from './texts.js';

/** The modal to change name, location, account or secret of a connection. */
export function changeConnection(connection: Row, changed: () => void): void {
  const path = `/v1/connections/${connection.id}`;
  const modal = new Modal(texts.edit, undefined, connection.name);
  const place = h('div', {});
  const told = h('div', { 'aria-live': 'polite' });
  const save = button(texts.save, () => void submit(), { class: 'main', disabled: true });
  const before: Readonly<Record<string, string | undefined>> = { name: connection.name, ...connection.auth };
  let form: DescribedForm | undefined;

  async function fields(): Promise<readonly Row[]> {
    if (connection.platform.id !== 'procore') {
      const { attributes } = await read(`${path}/edit`);
      // A secret other than the password comes from a sign-in: it can only be set with a new connection.
      return Object.values<Row>(attributes).filter(({ id, type }) => type !== 'password' || id === 'password');
    }
    // The form of the service starts a sign-in, so the fields are defined here.
    const { name, secret } = texts.procoreFields;
    const text = { hint: '', more_info: null, value: null, options: null };
    return [
      { ...text, ...name, id: 'name', type: 'text', required: true },
      ...(connection.auth.credentials === 'custom'
        ? [{ ...text, ...secret, id: 'client_secret', type: 'password', required: false }]
        : []),
    ];
  }

  async function draw(): Promise<void> {
    const rows = (await fields()).map((row) => ({
      ...row,
      ...(row.id === 'name' ? { required: true } : {}),
      ...(row.type === 'password' ? { required: false, more_info: texts.emptyStays } : {}),
      value: row.type === 'password' ? '' : (before[row.id] ?? ''),
      show_default: true,
    }));
    form = new DescribedForm(rows, () => put(told), true);
    put(place, form.element);
    save.disabled = false;
    place.querySelector('input')?.focus();
  }

  async function submit(): Promise<void> {
    const missing = form?.missing();
    if (missing) return put(told, failure(texts.fillIn(missing)));
    const differing = Object.entries(form?.all ?? {}).filter(([key, value]) => value !== (before[key] ?? ''));
    if (differing.length === 0) return modal.close();
    const { name, ...auth } = Object.fromEntries(differing);
    save.disabled = true;
    put(told, h('p', {}, texts.testing));
    try {
      await call('PATCH', path, {
        ...(name === undefined ? {} : { name }),
        ...(Object.keys(auth).length === 0 ? {} : { auth }),
      });
      modal.close();
      changed();
    } catch (error) {
      put(told, failure(reasonOf(error)));
      save.disabled = false;
      save.focus();
    }
  }

  modal.show(
    place,
    told,
    h(
      'div',
      { class: 'bar' },
      button(texts.cancel, () => modal.close()),
      save,
    ),
  );
  void attempt(told, draw);
}

/** Repeats the sign-in of an existing connection. */
export async function signInAgain(connection: Row, changed: () => void): Promise<void> {
  const ending = new AbortController();
  const end = (): void => {
    ending.abort();
    changed();
  };
  const modal = new Modal(texts.signInAgain, end, connection.name);
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
    await signInAt((by) => read(`/v1/connections/${connection.id}/edit?by=${by}`), told, ending.signal);
    put(told, h('p', { class: 'note good' }, texts.testSucceeded));
    done.disabled = false;
    done.focus();
  } catch (error) {
    if (!ending.signal.aborted) put(told, failure(texts.testFailed(reasonOf(error))));
  }
}
