import { call, type Row } from './api.js';
import { Modal } from './dialog.js';
import { about, button, choice, failure, field, h, put, remote, say } from './dom.js';
import { captionOf, timeOf } from './format.js';
import { Paged } from './pages.js';
import { attempt, type Screen, titleOf } from './screen.js';
import { userName } from './session.js';
import { texts } from './texts.js';

/** Who may sign in here. */
export async function usersScreen({ main, signal }: Screen): Promise<void> {
  const told = h('div', { 'aria-live': 'polite' });
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
        cell: (row) =>
          button(texts.remove, () => end(row), {
            'aria-label': about(texts.remove, row.name),
            'data-key': `end ${row.id}`,
          }),
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
  const add = button(texts.addUser, () => addUser(() => paged.load()), { class: 'main' });
  put(
    main,
    h('div', { class: 'bar' }, titleOf(texts.users), h('span', { class: 'end' }, add)),
    h('p', { class: 'help' }, texts.usersHelp),
    told,
    paged.element,
  );
  await paged.load();
}

function addUser(added: () => Promise<void>): void {
  const modal = new Modal(texts.addUser);
  const told = h('div', {});
  const name = h('input', { autocomplete: 'off', required: true, maxlength: 64 });
  const password = h('input', { type: 'password', autocomplete: 'new-password', required: true, minlength: 8 });
  const role = choice(texts.roles, 'read');
  const submit = (event: Event): void => {
    event.preventDefault();
    const missing = name.value === '' ? name : password.value === '' ? password : undefined;
    if (missing) {
      put(told, failure(texts.fillIn(missing === name ? texts.userName : texts.password)));
      missing.focus();
      return;
    }
    void attempt(told, async () => {
      await call('POST', '/v1/users', { name: name.value, role: role.value, password: password.value });
      modal.close();
      await added();
      say(texts.userAdded(name.value));
    });
  };
  modal.show(
    h(
      'form',
      { onsubmit: submit, novalidate: true },
      field(texts.userName, name, texts.userNameHelp),
      field(texts.role, role),
      field(texts.password, password, texts.passwordHelp),
      told,
      h(
        'div',
        { class: 'bar' },
        button(texts.cancel, () => modal.close()),
        h('button', { class: 'main' }, texts.addUser),
      ),
    ),
  );
  name.focus();
}
