import { addConnection } from './add-connection.js';
import { call, list, type Row, reasonOf } from './api.js';
import { changeConnection, signInAgain } from './change-connection.js';
import { about, button, failure, h, put, remote, say, visible } from './dom.js';
import { timeOf } from './format.js';
import { Paged } from './pages.js';
import { attempt, type Screen, titleOf } from './screen.js';
import { forManagers, mayManage } from './session.js';
import { texts } from './texts.js';

/** The list of connections, with the button to add one. */
export async function connectionsScreen({ main, signal }: Screen): Promise<void> {
  const platforms = (await list('/v1/connections/platforms', { limit: 200 }, signal)).rows;
  const told = h('div', {});
  const changed = (): void => void paged.load();
  const test = (row: Row, own: HTMLButtonElement): void => {
    own.disabled = true;
    put(told, h('p', { role: 'status' }, texts.testing));
    call('POST', `/v1/connections/${row.id}/test`)
      .then(
        () => put(told, h('p', { class: 'note good', role: 'status' }, texts.testSucceededFor(visible(row.name)))),
        (error: unknown) => put(told, failure(texts.testFailed(reasonOf(error)))),
      )
      .finally(() => {
        own.disabled = false;
      });
  };
  const forget = (row: Row): void => {
    if (!confirm(texts.forgetConnection(visible(row.name)))) return;
    void attempt(told, async () => {
      await call('DELETE', `/v1/connections/${row.id}`);
      changed();
    });
  };
  const switchTo = (row: Row): void =>
    void attempt(told, async () => {
      await call('PATCH', `/v1/connections/${row.id}`, { disabled: !row.disabled });
      changed();
    });
  const actions = (row: Row): HTMLElement => {
    const of = (text: string): Record<string, string> => ({
      'aria-label': about(text, row.name),
      'data-key': `${text} ${row.id}`,
    });
    const jobs = h(
      'a',
      { href: `#/jobs?connection=${encodeURIComponent(row.id)}`, 'aria-label': about(texts.jobs, row.name) },
      texts.jobsOfConnection,
    );
    if (!mayManage()) return jobs;
    const turn = row.disabled ? texts.enable : texts.disable;
    const tester: HTMLButtonElement = button(texts.test, () => test(row, tester), of(texts.test));
    return h(
      'div',
      { class: 'bar' },
      tester,
      row.platform.id === 'procore' && row.auth.grant === 'authorization-code'
        ? button(texts.signInAgain, () => void signInAgain(row, changed), of(texts.signInAgain))
        : null,
      button(texts.edit, () => changeConnection(row, changed), of(texts.edit)),
      jobs,
      button(turn, () => switchTo(row), of(turn)),
      button(texts.remove, () => forget(row), of(texts.remove)),
    );
  };
  const paged = new Paged({
    caption: texts.connections,
    path: '/v1/connections',
    empty: texts.noConnections,
    kept: 'connections',
    signal,
    filters: [
      { key: 'platform', label: texts.platform, options: platforms.map(({ id, name }) => [id, name]) },
      {
        key: 'active',
        label: texts.state,
        options: [
          ['1', texts.active],
          ['0', texts.notActive],
        ],
      },
    ],
    columns: [
      { head: texts.name, sort: 'name', cell: (row) => remote(row.name) },
      { head: texts.platform, sort: 'platform', cell: (row) => row.platform.name },
      {
        head: texts.state,
        sort: 'active',
        cell: (row) => h('span', { class: row.active ? 'good' : 'bad' }, stateOf(row)),
      },
      {
        head: texts.account,
        sort: 'account',
        cell: (row) => remote(row.account?.login ?? row.account?.name ?? texts.none),
      },
      { head: texts.place, cell: (row) => remote(row.auth.uri ?? row.auth.domain ?? texts.none) },
      { head: texts.created, sort: 'created_on', cell: (row) => timeOf(row.created_on) },
      { head: texts.company, isExtra: true, cell: (row) => row.company ?? texts.none },
      { head: texts.id, isExtra: true, cell: (row) => row.id },
      { head: texts.actions, cell: actions },
    ],
  });
  const add = forManagers(() =>
    button(
      texts.addConnection,
      () =>
        addConnection(platforms, () => {
          say(texts.testSucceeded);
          changed();
        }),
      { class: 'main' },
    ),
  );
  put(
    main,
    h('div', { class: 'bar' }, titleOf(texts.connections), h('span', { class: 'end' }, add)),
    told,
    paged.element,
  );
  await paged.load();
}

const stateOf = ({ active, disabled }: Row): string =>
  disabled ? texts.disabled : active ? texts.active : texts.inactive;
