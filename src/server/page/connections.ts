import { addConnection, signInAgain } from './add-connection.js';
import { call, list, type Row } from './api.js';
import { button, failure, h, put, remote, say } from './dom.js';
import { Paged } from './pages.js';
import { attempt, type Screen, titleOf } from './screen.js';
import { texts, timeOf } from './texts.js';

/** The list of connections, and the way to a new one. */
export async function connectionsScreen({ main, signal }: Screen): Promise<void> {
  const platforms = (await list('/v1/connections/platforms', { limit: 200 }, signal)).rows;
  const told = h('div', {});
  const changed = (): void => void paged.load();
  const test = (row: Row, own: HTMLButtonElement): void => {
    own.disabled = true;
    put(told, h('p', { role: 'status' }, texts.testing));
    call('POST', `/v1/connections/${row.id}/test`)
      .then(
        () => put(told, h('p', { class: 'note good', role: 'status' }, texts.testSucceededFor(row.name))),
        (error: Error) => put(told, failure(texts.testFailed(error.message))),
      )
      .finally(() => {
        own.disabled = false;
      });
  };
  const forget = (row: Row): void => {
    if (!confirm(texts.forgetConnection(row.name))) return;
    void attempt(told, async () => {
      await call('DELETE', `/v1/connections/${row.id}`);
      changed();
    });
  };
  const actions = (row: Row): HTMLElement => {
    const of = (text: string): Record<string, string> => ({
      'aria-label': `${text}: ${row.name}`,
      'data-key': `${text} ${row.id}`,
    });
    const tester: HTMLButtonElement = button(texts.test, () => test(row, tester), of(texts.test));
    return h(
      'div',
      { class: 'bar' },
      tester,
      row.platform.id === 'procore'
        ? button(texts.signInAgain, () => void signInAgain(row, changed), of(texts.signInAgain))
        : null,
      h(
        'a',
        { href: `#/jobs?connection=${encodeURIComponent(row.id)}`, 'aria-label': `${texts.jobs}: ${row.name}` },
        texts.jobsOfConnection,
      ),
      button(texts.remove, () => forget(row), of(texts.remove)),
    );
  };
  const paged = new Paged({
    caption: texts.connections,
    path: '/v1/connections',
    empty: texts.noConnections,
    signal,
    filters: [
      { key: 'platform', label: texts.platform, options: platforms.map(({ id, name }) => [id, name]) },
      {
        key: 'active',
        label: texts.state,
        options: [
          ['1', texts.active],
          ['0', texts.inactive],
        ],
      },
    ],
    columns: [
      { head: texts.name, cell: (row) => remote(row.name) },
      { head: texts.platform, cell: (row) => row.platform.name },
      {
        head: texts.state,
        cell: (row) => h('span', { class: row.active ? 'good' : 'bad' }, row.active ? texts.active : texts.inactive),
      },
      { head: texts.account, cell: (row) => remote(row.account?.login ?? row.account?.name ?? texts.none) },
      { head: texts.place, cell: (row) => remote(row.auth.uri ?? row.auth.domain ?? texts.none) },
      { head: texts.created, cell: (row) => timeOf(row.created_on) },
      { head: texts.actions, cell: actions },
    ],
  });
  const add = button(
    texts.addConnection,
    () =>
      addConnection(platforms, () => {
        say(texts.testSucceeded);
        changed();
      }),
    { class: 'main' },
  );
  put(
    main,
    h('div', { class: 'bar' }, titleOf(texts.connections), h('span', { class: 'end' }, add)),
    told,
    paged.element,
  );
  await paged.load();
}
