import { chmodSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Trial } from '../support/job-trial.js';
import { put } from '../support/jobs.js';

const umask = process.umask(0o022);
t.teardown(() => process.umask(umask));

const FILES = {
  'open.txt': 'open',
  'secret.txt': 'secret',
  'closed/plain.txt': 'kept by its folder',
  'closed/inner/deep.txt': 'deep',
  'shared/secret.txt': 'secret among others',
  'empty/': '',
};
const isPrivate = { private: true };

/** Permissions of what is at the destination. */
const modes = ({ b }: Trial, ...paths: readonly string[]) =>
  paths.map((path) => (lstatSync(join(b, path)).mode & 0o7777).toString(8)).join(' ');

for (const transfer_type of ['copy', 'sync'])
  t.test(`what is private stays private at a folder: ${transfer_type}`, async (t) => {
    const items: Record<string, object> = {
      'secret.txt': isPrivate,
      closed: isPrivate,
      'shared/secret.txt': isPrivate,
      empty: isPrivate,
    };
    const trial = new Trial(t, { items });
    put(trial.a, FILES);
    const { id } = trial.add({ transfer_type });
    const estimated = await trial.run(id, { simulate: true });
    t.equal(estimated.stats.estimate?.private, 4, 'an estimate counts them');
    t.match(await trial.run(id), { status: 'completed', stats: { copied: 5 } });
    t.equal(modes(trial, 'secret.txt', 'closed', 'shared/secret.txt', 'empty'), '600 700 600 700');
    t.equal(
      modes(trial, 'open.txt', 'closed/plain.txt', 'closed/inner', 'shared'),
      '644 644 755 755',
      'others are not',
    );
    t.match(await trial.run(id), { status: 'no_changes' });

    Object.assign(items, { 'open.txt': isPrivate, shared: isPrivate, 'closed/inner': isPrivate });
    t.match(await trial.run(id), { status: 'completed', stats: { bytes: 0 } });
    t.equal(modes(trial, 'open.txt', 'shared', 'closed/inner'), '600 700 700', 'also what becomes private later');
    t.match(await trial.run(id), { status: 'no_changes' });

    for (const path of Object.keys(items)) delete items[path];
    t.match(await trial.run(id), { status: 'no_changes' });
    t.equal(modes(trial, 'open.txt', 'closed'), '600 700', 'nothing is given to others by a job');
    put(trial.a, { 'open.txt': 'new content' }, 1_600_000_100);
    t.match(await trial.run(id), { status: 'completed', stats: { copied: 1 } });
    t.equal(modes(trial, 'open.txt'), '600');
  });

t.test(
  'what a folder has for its owner alone is made so in another one, and stays as people then want it',
  async (t) => {
    const trial = new Trial(t);
    put(trial.a, FILES);
    for (const [path, mode] of [
      ['secret.txt', 0o600],
      ['shared/secret.txt', 0o400],
      ['closed', 0o700],
      ['empty', 0o700],
    ] as const)
      chmodSync(join(trial.a, path), mode);
    const { id } = trial.add();
    t.match(await trial.run(id), { status: 'completed', stats: { copied: 5 } });
    t.equal(modes(trial, 'secret.txt', 'shared/secret.txt', 'closed', 'empty'), '600 600 700 700');
    t.equal(modes(trial, 'open.txt', 'closed/plain.txt', 'shared'), '644 644 755');
    chmodSync(join(trial.b, 'secret.txt'), 0o644);
    t.match(await trial.run(id), { status: 'no_changes' });
    put(trial.a, { 'secret.txt': 'new content' }, 1_600_000_100);
    t.match(await trial.run(id), { status: 'completed', stats: { copied: 1 } });
    t.equal(modes(trial, 'secret.txt'), '644');
  },
);
