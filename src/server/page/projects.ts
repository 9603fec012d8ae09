import { call, list, type Row } from './api.js';
import { Modal } from './dialog.js';
import { button, choice, field, h, put, remote } from './dom.js';
import { Paged } from './pages.js';
import { attempt, type Screen, titleOf } from './screen.js';
import { bytesOf, texts, timeOf } from './texts.js';

const MOUNTS = '/v1/mounts';

const at = (mountpoint: string, path: string): string =>
  `#/projects/${encodeURIComponent(mountpoint)}/${path.split('/').map(encodeURIComponent).join('/')}`;

/** What is mounted: `#/projects/MOUNT POINT/PATH`, the mirrored tree; without a path the changes that wait as well. */
export async function projectsScreen({ main, parts, signal }: Screen): Promise<void> {
  const { rows } = await list(MOUNTS, { limit: 1000 }, signal);
  const [given, ...names] = parts;
  const mountpoint = given || rows[0]?.mountpoint;
  if (!mountpoint) return put(main, titleOf(texts.projects), h('p', {}, texts.noMounts));
  const path = names.filter((name) => name !== '').join('/');
  const told = h('div', {});
  const options = rows.map((row): [string, string] => [row.mountpoint, `${row.mountpoint} (${row.state})`]);
  const mounts = choice(options, mountpoint, (to) => {
    location.hash = at(to, '');
  });
  const tree = treeOf(mountpoint, path, told, signal);
  const uploads = uploadsOf(mountpoint, told, signal);
  put(
    main,
    titleOf(texts.projects),
    h('div', { class: 'bar' }, field(texts.mount, mounts)),
    told,
    h('h2', {}, texts.files),
    trail(mountpoint, path),
    tree.element,
    h('h2', {}, texts.uploads),
    uploads.all,
    uploads.paged.element,
  );
  await Promise.all([tree.load(), uploads.paged.load(true)]);
}

function trail(mountpoint: string, path: string): HTMLElement {
  const names = path === '' ? [] : path.split('/');
  return h(
    'nav',
    { 'aria-label': texts.path },
    h('a', { href: at(mountpoint, '') }, texts.top),
    ...names.flatMap((name, index) => [
      ' / ',
      h('a', { href: at(mountpoint, names.slice(0, index + 1).join('/')) }, remote(name)),
    ]),
  );
}

function treeOf(mountpoint: string, path: string, told: HTMLElement, signal: AbortSignal): Paged {
  const pin = (row: Row): void =>
    void attempt(told, async () => {
      await call('POST', `${MOUNTS}/${row.pinned ? 'unpin' : 'pin'}`, { mountpoint, path: row.path });
      await paged.load();
    });
  const paged = new Paged({
    caption: texts.files,
    path: `${MOUNTS}/items`,
    fixed: { mountpoint, path },
    empty: texts.noItems,
    signal,
    columns: [
      {
        head: texts.name,
        cell: (row) =>
          row.type === 'folder' ? h('a', { href: at(mountpoint, row.path) }, remote(row.name)) : remote(row.name),
      },
      { head: texts.bytes, cell: (row) => (row.type === 'folder' ? texts.none : bytesOf(row.bytes)) },
      { head: texts.modified, cell: (row) => timeOf(row.modified_on) },
      { head: texts.state, cell: (row) => row.state },
      {
        head: texts.actions,
        cell: (row) => {
          const label = row.pinned ? texts.unpin : texts.pin;
          const own = { 'aria-label': `${label}: ${row.name}`, 'data-key': `pin ${row.id}` };
          const versions = { 'aria-label': `${texts.versions}: ${row.name}` };
          return h(
            'div',
            { class: 'bar' },
            button(label, () => pin(row), own),
            row.type === 'file' ? button(texts.versions, () => showVersions(mountpoint, row, signal), versions) : null,
          );
        },
      },
    ],
  });
  return paged;
}

function showVersions(mountpoint: string, row: Row, signal: AbortSignal): void {
  const modal = new Modal(`${texts.versions}: ${row.name}`);
  const paged = new Paged({
    caption: texts.versions,
    path: `${MOUNTS}/versions`,
    fixed: { mountpoint, path: row.path },
    isSearchable: false,
    empty: texts.noItems,
    signal,
    columns: [
      { head: texts.version, cell: (own) => own.number },
      { head: texts.bytes, cell: (own) => bytesOf(own.bytes) },
      { head: texts.created, cell: (own) => timeOf(own.created_on) },
    ],
  });
  modal.show(
    paged.element,
    button(texts.close, () => modal.close()),
  );
  void paged.load();
}

function uploadsOf(mountpoint: string, told: HTMLElement, signal: AbortSignal) {
  const act = (verb: 'retry' | 'release' | 'discard', ids?: readonly number[]): void => {
    if (verb === 'discard' && !confirm(texts.discardUpload)) return;
    void attempt(told, async () => {
      await call('POST', `${MOUNTS}/uploads/${verb}`, { mountpoint, ...(ids ? { ids } : {}) });
      await paged.load();
    });
  };
  const one = (verb: 'retry' | 'release' | 'discard', row: Row): HTMLElement => {
    const label = texts[verb];
    return button(label, () => act(verb, [row.id]), {
      'aria-label': `${label}: ${row.path}`,
      'data-key': `${verb} ${row.id}`,
    });
  };
  const paged = new Paged({
    caption: texts.uploads,
    path: `${MOUNTS}/uploads`,
    fixed: { mountpoint },
    isSearchable: false,
    empty: texts.noUploads,
    signal,
    columns: [
      { head: texts.item, cell: (row) => remote(row.path) },
      { head: texts.action, cell: (row) => row.what },
      { head: texts.state, cell: (row) => row.state },
      { head: texts.when, cell: (row) => remote(row.since) },
      { head: texts.attempts, cell: (row) => row.attempts },
      { head: texts.bytes, cell: (row) => `${bytesOf(row.sent)} / ${bytesOf(row.bytes)}` },
      { head: texts.reason, cell: (row) => remote(row.why ?? row.error ?? row.reason) },
      {
        head: texts.actions,
        cell: (row) => h('div', { class: 'bar' }, one('retry', row), one('release', row), one('discard', row)),
      },
    ],
  });
  const all = h(
    'div',
    { class: 'bar' },
    button(texts.retryAll, () => act('retry')),
    button(texts.releaseAll, () => act('release')),
  );
  return { paged, all };
}
