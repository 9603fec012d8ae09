import { list, type Row } from './api.js';
import { choice, facts, field, h, put, remote } from './dom.js';
import { bytesOf, captionOf } from './format.js';
import { follow } from './live.js';
import { projectTree, trail, treeAddress } from './project-tree.js';
import { uploadList } from './project-uploads.js';
import { oneAtATime, type Screen, titleOf } from './screen.js';
import { texts } from './texts.js';

/** Interval in milliseconds after which the lists are reloaded even if the status does not change. */
const SELDOM = 30_000;

/** The mounts, and at `#/projects/MOUNT POINT/PATH` the mirrored tree and the pending changes. */
export async function projectsScreen(screen: Screen): Promise<void> {
  const { main, parts, signal } = screen;
  const { rows } = await list('/v1/mounts', { limit: 1000 }, signal);
  const [given, ...names] = parts;
  const mountpoint = given || rows[0]?.mountpoint;
  if (!mountpoint) {
    put(main, titleOf(texts.projects), h('p', {}, texts.noMounts));
    const found = new AbortController();
    return void follow('mounts', AbortSignal.any([signal, found.signal]), (all: readonly Row[]) => {
      if (all.length === 0) return;
      found.abort();
      void projectsScreen(screen);
    });
  }
  const path = names.filter((name) => name !== '').join('/');
  const told = h('div', { 'aria-live': 'polite' });
  const options = rows.map((row): [string, string] => [row.mountpoint, row.mountpoint]);
  const mounts = choice(options, mountpoint, (to) => {
    location.hash = treeAddress(to, '');
  });
  const state = h('div', {});
  const isCompany = rows.find((row) => row.mountpoint === mountpoint)?.company !== undefined;
  // Only items of a project can be pinned, not the project folders of a company mount.
  const tree = projectTree(mountpoint, path, told, signal, !(isCompany && path === ''));
  const uploads = uploadList(mountpoint, told, signal, () => void tree.load(true));
  put(
    main,
    titleOf(texts.projects),
    h('div', { class: 'bar' }, field(texts.mount, mounts)),
    state,
    told,
    h('h2', {}, texts.files),
    trail(mountpoint, path),
    tree.element,
    h('h2', {}, texts.uploads),
    uploads.actions,
    uploads.paged.element,
  );
  let seen = '';
  let askedAt = 0;
  /** Returns whether the lists may have changed: a status comes with every poll, mostly without changes. */
  const show = (all: readonly Row[]): boolean => {
    const mount = all.find((one) => one.mountpoint === mountpoint);
    put(state, mount ? stateOf(mount) : h('p', { class: 'bad' }, texts.unmounted));
    const { state: word, crawl, outbox, pins } = mount ?? {};
    const text = JSON.stringify([word, crawl, outbox, pins]);
    const isDue = text !== seen || outbox?.pending > 0 || Date.now() - askedAt > SELDOM;
    seen = text;
    if (isDue) askedAt = Date.now();
    return isDue;
  };
  show(rows);
  await Promise.all([tree.load(), uploads.paged.load(true)]);
  const again = oneAtATime(signal, async () => {
    await Promise.all([tree.load(true), uploads.paged.load(true)]);
  });
  void follow('mounts', signal, (all: readonly Row[]) => {
    if (show(all)) again();
  });
}

function stateOf({ state, connection, project, company, crawl, outbox, pins, cache }: Row): HTMLElement {
  const isWell = state === 'ready' || state === 'crawling';
  const counts = (['pending', 'held', 'failed', 'local'] as const)
    .filter((word) => outbox?.[word] > 0)
    .map((word) => `${outbox[word]} ${captionOf(texts.uploadStates, word)}`);
  return facts([
    [texts.state, h('span', { class: isWell ? 'good' : 'bad' }, captionOf(texts.mountStates, state))],
    [texts.connection, connection === undefined ? null : remote(connection)],
    [texts.project, project ? remote(project.name) : company ? texts.wholeCompany(company.projects) : null],
    [texts.known, crawl ? texts.itemsOf(crawl.items, crawl.done ? undefined : crawl.total) : null],
    [texts.uploads, outbox ? counts.join(', ') || texts.noUploads : null],
    [texts.keptHere, cache ? `${bytesOf(cache.bytes)} / ${bytesOf(cache.limit)}` : null],
    [texts.pinned, pins ? texts.pinsOf(pins.items, pins.missing) : null],
    [texts.warning, outbox?.braked ? h('span', { class: 'bad' }, texts.deletionsHeld) : null],
  ]);
}
