import { CallFailed, reasonOf, signOut, whenSignedOut } from './api.js';
import { budgetScreen } from './budget.js';
import { connectionsScreen } from './connections.js';
import { button, failure, h, put, say, speaker } from './dom.js';
import { flaggedScreen } from './flagged.js';
import { jobScreen } from './job.js';
import { jobsScreen } from './jobs.js';
import { platformsScreen } from './platforms.js';
import { projectsScreen } from './projects.js';
import { reportsScreen } from './reports.js';
import { type Screen, titleOf } from './screen.js';
import { beginSession, mayManage, userName } from './session.js';
import { signInScreen } from './sign-in.js';
import { texts } from './texts.js';
import { usersScreen } from './users.js';

interface Place {
  readonly title: string;
  /** Shown only to users with the role `manage`. */
  readonly isForManagers?: true;
  readonly show: (screen: Screen) => Promise<void> | void;
}

/** Screens by the first word of the address after `#/`. */
const PLACES: Readonly<Record<string, Place>> = {
  connections: { title: texts.connections, show: connectionsScreen },
  jobs: { title: texts.jobs, show: (screen) => (screen.parts.length > 0 ? jobScreen(screen) : jobsScreen(screen)) },
  flagged: { title: texts.flagged, show: flaggedScreen },
  reports: { title: texts.reports, show: reportsScreen },
  projects: { title: texts.projects, show: projectsScreen },
  budget: { title: texts.budget, show: budgetScreen },
  platforms: { title: texts.platforms, show: platformsScreen },
  users: { title: texts.users, show: usersScreen, isForManagers: true },
};

const main = h('main', { id: 'main' });
const menu = h('nav', { 'aria-label': texts.screens });
const who = h('span', { class: 'help' });
const head = h(
  'header',
  { class: 'top' },
  h('strong', {}, texts.product),
  menu,
  who,
  button(texts.signOut, () => void leave()),
);
let ending = new AbortController();

async function leave(): Promise<void> {
  try {
    await signOut();
  } catch {
    // The token is deleted here; in the service it expires.
  }
}

function begin(): Screen {
  ending.abort();
  ending = new AbortController();
  for (const open of document.querySelectorAll('dialog')) open.close();
  put(main);
  const [path = '', query] = location.hash.split('?', 2);
  const parts = path.split('/').slice(2).map(decode);
  return { main, parts, query: new URLSearchParams(query), signal: ending.signal };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

async function route(isFirst = false): Promise<void> {
  const word = /^#\/(\w+)/.exec(location.hash)?.[1] ?? 'connections';
  const place = PLACES[word];
  const screen = begin();
  document.title = `${place?.title ?? texts.noScreen} – ${texts.product}`;
  put(
    menu,
    ...Object.entries(PLACES)
      .filter(([, { isForManagers }]) => !isForManagers || mayManage())
      .map(([own, { title }]) =>
        h('a', { href: `#/${own}`, 'aria-current': own === word ? 'page' : undefined }, title),
      ),
  );
  try {
    if (place) await place.show(screen);
    else put(main, titleOf(texts.noScreen));
  } catch (error) {
    if (!screen.signal.aborted) put(main, titleOf(place?.title ?? texts.noScreen), failure(reasonOf(error)));
  }
  // After navigation, the focus is on the title of the new screen, not at the top of the document.
  if (!isFirst && !screen.signal.aborted && !main.contains(document.activeElement)) main.querySelector('h1')?.focus();
}

function admit(): void {
  head.hidden = true;
  const screen = begin();
  document.title = `${texts.signIn} – ${texts.product}`;
  signInScreen(screen, enter);
}

async function enter(isFirst = false): Promise<void> {
  await beginSession();
  put(who, texts.signedInAs(userName(), mayManage()));
  head.hidden = false;
  await route(isFirst);
}

whenSignedOut(() => {
  say(texts.signedOutNow);
  admit();
});
window.addEventListener('hashchange', () => {
  if (!head.hidden) void route();
});
put(document.body, h('a', { class: 'skip', href: '#main', onclick: toMain }, texts.skip), head, main, speaker());
head.hidden = true;
try {
  await enter(true);
} catch (error) {
  if (error instanceof CallFailed && error.status === 401) admit();
  else put(main, titleOf(texts.product), failure(reasonOf(error)));
}

/** Skips to the main content by script: a link to an anchor would change the hash, which selects the screen. */
function toMain(event: Event): void {
  event.preventDefault();
  main.querySelector('h1')?.focus();
}
