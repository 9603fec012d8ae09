import { call, type Row } from './api.js';
import { Modal } from './dialog.js';
import { about, button, type Child, h, remote } from './dom.js';
import { bytesOf, captionOf, timeOf } from './format.js';
import { Paged } from './pages.js';
import { attempt } from './screen.js';
import { mayManage } from './session.js';
import { texts } from './texts.js';

const MOUNTS = '/v1/mounts';

/** The address in the page of a folder of a mount. */
export const treeAddress = (mountpoint: string, path: string): string =>
  `#/projects/${encodeURIComponent(mountpoint)}/${path
    .split('/')
    .filter((name) => name !== '')
    .map(encodeURIComponent)
    .join('/')}`;

/** The breadcrumb links from the top folder to a folder. */
export function trail(mountpoint: string, path: string): HTMLElement {
  const names = path === '' ? [] : path.split('/');
  return h(
    'nav',
    { 'aria-label': texts.path },
    h('a', { href: treeAddress(mountpoint, ''), 'aria-current': path === '' ? 'page' : undefined }, texts.top),
    ...names.flatMap((name, index) => [
      ' / ',
      h(
        'a',
        {
          href: treeAddress(mountpoint, names.slice(0, index + 1).join('/')),
          'aria-current': index === names.length - 1 ? 'page' : undefined,
        },
        remote(name),
      ),
    ]),
  );
}

/** The table of a mirrored folder: type and state of each item, and whether its content is pinned here. */
export function projectTree(
  mountpoint: string,
  path: string,
  told: HTMLElement,
  signal: AbortSignal,
  canPin: boolean,
): Paged {
  const pin = (row: Row): void =>
    void attempt(told, async () => {
      await call('POST', `${MOUNTS}/${row.pinned ? 'unpin' : 'pin'}`, { mountpoint, path: row.path });
      await paged.load();
    });
  const paged: Paged = new Paged({
    caption: texts.files,
    path: `${MOUNTS}/items`,
    fixed: { mountpoint, path },
    empty: texts.noItems,
    kept: 'tree',
    signal,
    columns: [
      {
        head: texts.name,
        cell: (row) =>
          row.type === 'folder'
            ? h('a', { href: treeAddress(mountpoint, row.path), 'data-key': `open ${row.id}` }, remote(row.name), '/')
            : remote(row.name),
      },
      { head: texts.bytes, cell: (row) => (row.type === 'folder' ? texts.none : bytesOf(row.bytes)) },
      { head: texts.version, cell: (row) => row.version ?? texts.none },
      { head: texts.modified, cell: (row) => timeOf(row.modified_on) },
      { head: texts.state, cell: stateOf },
      { head: texts.createdBy, isExtra: true, cell: (row) => remote(row.created_by ?? texts.none) },
      { head: texts.id, isExtra: true, cell: (row) => row.id },
      {
        head: texts.actions,
        cell: (row) => {
          const label = row.pinned ? texts.unpin : texts.pin;
          const keys = (text: string): Record<string, string> => ({
            'aria-label': about(text, row.name),
            'data-key': `${text === texts.versions ? 'versions' : 'pin'} ${row.id}`,
          });
          const versions = (): void => showVersions(mountpoint, row, signal);
          return h(
            'div',
            { class: 'bar' },
            canPin && mayManage() ? button(label, () => pin(row), keys(label)) : null,
            row.type === 'file' ? button(texts.versions, versions, keys(texts.versions)) : null,
            isPage(row.web_url)
              ? h(
                  'a',
                  {
                    href: row.web_url,
                    target: '_blank',
                    rel: 'noopener noreferrer',
                    'aria-label': about(texts.inProcore, row.name),
                  },
                  texts.inProcore,
                )
              : null,
          );
        },
      },
    ],
  });
  return paged;
}

const isPage = (url: unknown): url is string => typeof url === 'string' && /^https?:\/\//.test(url);

function stateOf(row: Row): Child {
  const marks = [
    ...(row.pinned ? [texts.pinned] : []),
    ...(row.private ? [texts.private] : []),
    ...(row.checkout_by ? [`${texts.checkedOut}: ${row.checkout_by}`] : []),
    ...(row.reason ? [row.reason] : []),
  ];
  return h(
    'span',
    { class: row.state === 'error' || row.state === 'conflict' ? 'bad' : undefined },
    captionOf(texts.fileStates, row.state),
    ...marks.flatMap((mark) => [', ', remote(mark)]),
  );
}

function showVersions(mountpoint: string, row: Row, signal: AbortSignal): void {
  const modal = new Modal(texts.versions, undefined, row.name);
  const paged = new Paged({
    caption: texts.versions,
    path: `${MOUNTS}/versions`,
    fixed: { mountpoint, path: row.path },
    isSearchable: false,
    empty: texts.noVersions,
    signal,
    columns: [
      { head: texts.version, cell: (own) => own.number },
      { head: texts.bytes, cell: (own) => bytesOf(own.bytes) },
      { head: texts.created, cell: (own) => timeOf(own.created_on) },
      { head: texts.createdBy, cell: (own) => remote(own.created_by ?? texts.none) },
    ],
  });
  modal.show(
    paged.element,
    button(texts.close, () => modal.close()),
  );
  void paged.load();
}
