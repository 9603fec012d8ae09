import { call, type Row } from './api.js';
import { Modal } from './dialog.js';
import { about, button, choice, failure, field, h, put, remote } from './dom.js';
import { captionOf, timeOf } from './format.js';
import { Paged } from './pages.js';
import { attempt, type Screen, titleOf } from './screen.js';
import { userName } from './session.js';
import { texts } from './texts.js';

/** The list of user accounts of the service. */
export async function usersScreen({ main, signal }: Screen): Promise<void> {
  const told = h('div', { 'aria-live': 'polite' });
  const changed = (): Promise<void> => paged.load();
  const paged: Paged = new Paged({
    caption: texts.users,
    path: '/v1/users',
    isSearchable: false,
    empty: texts.noUsers,
    signal,
    columns: [
      { head: texts.name, cell: (row) => remote(row.name) },
      { head: texts.role, cell: (row) => captionOf(texts.roles, row.role) },
      { head: texts.created, cell: (row) => timeOf(row.created_on) },
      {
        head: texts.actions,
        cell: (row) => {
          const keys = (text: string): Record<string, string> => ({
            'aria-label': about(text, row.name),
            'data-key': `${text} ${row.id}`,
          });
          return h(
            'div',
            { class: 'bar' },
            button(texts.edit, () => editUser(row, changed), keys(texts.edit)),
            button(texts.remove, () => end(row), keys(texts.remove)),
          );
        },
      },
    ],
  });
  const end = (row: Row): void => {
    if (!confirm(row.name === userName() ? texts.endYourself : texts.endUser(row.name))) return;
    void attempt(told, async () => {
      await call('DELETE', `/v1/users/${encodeURIComponent(row.id)}`);
      await paged.load();
    });
  };
  const add = button(texts.addUser, () => editUser(undefined, changed), { class: 'main' });
  put(
    main,
    h('div', { class: 'bar' }, titleOf(texts.users), h('span', { class: 'end' }, add)),
    h('p', { class: 'help' }, texts.usersHelp),
    told,
    paged.element,
  );
  await paged.load();
}

/** The modal for a new user or, with `given`, for a new role or password of an existing user. */
function editUser(given: Row | undefined, changed: () => Promise<void>): void {
  const modal = new Modal(given ? texts.edit : texts.addUser, undefined, given?.name);
  const told = h('div', {});
  const name = h('input', { autocomplete: 'off', required: true, maxlength: 64 });
  const password = h('input', { type: 'password', autocomplete: 'new-password', required: !given, minlength: 8 });
  const role = choice(texts.roles, given?.role ?? 'read');
  const submit = (event: Event): void => {
    event.preventDefault();
    const missing = given ? undefined : [name, password].find(({ value }) => value === '');
    if (missing) {
      put(told, failure(texts.fillIn(missing === name ? texts.userName : texts.password)));
      missing.focus();
      return;
    }
    void attempt(told, async () => {
      const secret = password.value === '' ? {} : { password: password.value };
      const words = { role: role.value, ...secret };
      if (given) await call('PATCH', `/v1/users/${encodeURIComponent(given.id)}`, words);
      else await call('POST', '/v1/users', { name: name.value, ...words });
      modal.close();
      await changed();
    });
  };
  modal.show(
    h(
      'form',
      { onsubmit: submit, novalidate: true },
      given ? null : field(texts.userName, name, texts.userNameHelp),
      field(texts.role, role),
      field(texts.password, password, given ? texts.newPasswordHelp : texts.passwordHelp),
      told,
      h(
        'div',
        { class: 'bar' },
        button(texts.cancel, () => modal.close()),
        h('button', { class: 'main' }, given ? texts.save : texts.addUser),
      ),
    ),
  );
  (given ? role : name).focus();
}
