import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT_INODE } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import type { Item } from '#src/mirror/database/view.js';
import { versionOf } from '#src/outbox/tree/tree.js';
import { Project } from '#src/project/project.js';
import { openProjectSession } from '#src/project/session.js';
import { StateFolder } from '#src/project/state-folder.js';
import { PROJECT_OPTIONS } from './project-options.js';
import { randomBy } from './random.js';

/**
 * A process that owns a project and, until it is killed, polls, sweeps and reads all at once, with a cache that is too
 * small for it: what a daemon does in an hour, in seconds. Prints a word when it begins something, and `-word` when it
 * has done it. Arguments: state folder, project, bytes of the cache, seed.
 */
const [folder = '', id = '', limit = '', seed = ''] = process.argv.slice(2);
const random = randomBy(Number(seed));
const never = new AbortController().signal;
const say = (word: string): void => void process.stdout.write(`${word}\n`);

const state = new StateFolder(folder);
const source = { connection: 'Procore', project: id, folder: '' };
const session = await openProjectSession(state, source, { budget_wait: 30 }, silentLog);
const options = { ...PROJECT_OPTIONS, cacheLimit: Number(limit), pollInterval: 3600 };
const project = await Project.open(session, state, options, silentLog);
const { mirror, outbox, content } = project;
await mirror.open();
if (!mirror.view.crawlDone) throw new Error('the crawl is to be done before');

async function forEver(word: string, work: () => Promise<unknown>): Promise<void> {
  for (;;) {
    say(word);
    await work();
    say(`-${word}`);
    await sleep(random() * 30);
  }
}

function someFile(): Item | undefined {
  let at: Item | undefined = mirror.view.item(ROOT_INODE);
  while (at && !at.isFile) {
    const children: Item[] = mirror.view.children(at.remoteId, 0, 1000);
    at = children[Math.floor(random() * children.length)];
  }
  return at;
}

async function read(): Promise<void> {
  const file = someFile();
  const item = file && outbox.tree.item(file.inode);
  if (!item || item.size === 0) return;
  const blob = outbox.blob(versionOf(item));
  // What was deleted or replaced a moment ago is gone, as for a program that reads.
  const bytes = blob.read(0, item.size, never);
  await Promise.resolve(bytes).catch(() => undefined);
  blob.close();
  const { bytes: kept, limit: most } = content.stats();
  if (kept > most * 0.8) say('full');
}

await Promise.all([
  forEver('poll', () => mirror.pollNow(never)),
  forEver('sweep', () => mirror.sweep.step({ class: 'background', signal: never })),
  ...Array.from({ length: 4 }, () => forEver('read', read)),
]);
