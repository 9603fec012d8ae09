import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openTarget } from '#src/endpoints/open.js';
import { TargetEndpoint } from '#src/jobs/endpoint.js';
import type { Opener } from '#src/jobs/opener.js';
import type { Execution } from '#src/jobs/store/executions.js';
import { unmountAfter } from '../support/afterwards.js';
import { Folders } from '../support/jobs.js';
import { randomBy } from '../support/random.js';
import { ServerFolder, serveSsh } from '../support/target-servers.js';
import type { Scenario } from './scenarios.js';

const PART = '.procorefs-part-';
const abilities = { title: 'a share', keepsVersions: false, setsTimes: true, emptyFolders: true };
/** How long a run waits for the share, milliseconds. */
const PATIENCE = 2000;

const hashes = (root: string): Map<string, string> =>
  new Map(
    (
      readdirSync(root, { recursive: true, withFileTypes: true }) as {
        name: string;
        parentPath: string;
        isFile(): boolean;
      }[]
    )
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .map((path) => [path.slice(root.length + 1), createHash('sha256').update(readFileSync(path)).digest('hex')]),
  );

/**
 * A mounted share whose server goes away in the middle of a run: for longer than the run waits, and then for a moment.
 * Nothing half ever has its final name; the next run, or the same one, goes on.
 */
export async function vanishingShare(t: Scenario, files: number, seed: number): Promise<void> {
  const random = randomBy(seed);
  const server = new ServerFolder();
  t.teardown(() => server.remove());
  const sshd = await serveSsh(server);
  t.teardown(() => sshd.kill());
  const mountpoint = server.at('mounted');
  mkdirSync(mountpoint);
  const words = [
    '-p',
    String(sshd.port),
    '-o',
    `IdentityFile=${server.at('client')}`,
    '-o',
    'reconnect',
    '-o',
    'cache=no',
  ];
  const account = `${userInfo().username}@127.0.0.1:${server.files}`;
  const known = `UserKnownHostsFile=${server.at('known_hosts')}`;
  execFileSync('sshfs', [account, mountpoint, ...words, '-o', known], { stdio: 'ignore' });
  unmountAfter(t, mountpoint);
  let beforeWrite = async (): Promise<void> => undefined;
  const opener: Opener = {
    async open({ connection: { id } }, { create, mayWrite, signal }) {
      const share = { platform: 'nfs', uri: mountpoint, mountpoint };
      const definition = id === 'share' ? share : { platform: 'fs', uri: id };
      const side = new TargetEndpoint(await openTarget(definition, { create, mayWrite, signal }));
      if (id !== 'share') return side;
      const write = side.write.bind(side);
      side.write = async (...words) => {
        await beforeWrite();
        return write(...words);
      };
      return side;
    },
    place: ({ connection: { id } }) => Promise.resolve({ tree: id, path: '', abilities }),
  };
  const folders = new Folders(t, opener, { patience: { first: 20, longest: 200, whole: PATIENCE } });
  const job = folders.add({ destination: { connection: { id: 'share' } } });
  let made = 0;
  const make = (): void => {
    for (let n = 0; n < files; n++, made++) {
      const folder = join(folders.a, `folder ${made % 20}`);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, `file ${made}.bin`), Buffer.alloc(1 + Math.floor(random() * 400_000), made % 251));
    }
  };
  const wrong = (): string => {
    const wanted = hashes(folders.a);
    const found = hashes(server.files);
    return [...found]
      .filter(([path, hash]) => !path.includes(PART) && wanted.get(path) !== hash)
      .map(([path]) => path)
      .join(' ');
  };
  /** Takes the server away while that part of the files is being written; what comes after them waits for that. */
  const broken = async (share: number, then: () => Promise<void>): Promise<Execution> => {
    let left = Math.ceil(files * share);
    let gone: Promise<void> | undefined;
    const killed = new Promise<void>((resolve, reject) => {
      beforeWrite = async () => {
        if (gone) return gone;
        if (--left > 0) return;
        gone = sleep(random() * 10).then(() => sshd.kill());
        gone.then(resolve, reject);
      };
    });
    const running = folders.run(job.id);
    await killed;
    await then();
    return running;
  };

  make();
  const first = await broken(0.2 + random() * 0.5, async () => undefined);
  t.equal(first.status, 'not_complete', `seed ${seed}: ${first.status} ${first.reason ?? ''}`);
  t.ok(/^\d+ items left: /.test(first.reason ?? '') && first.reason!.includes(mountpoint), `why: ${first.reason}`);
  t.equal(wrong(), '', 'nothing half, or wrong, under its final name');
  await sshd.start();
  const second = await folders.run(job.id);
  t.equal(second.status, 'completed', `the next run: ${second.reason ?? ''}`);
  const left = files - (first.stats.copied ?? 0);
  t.ok((second.stats.copied ?? 0) <= left, `it went on where the first ended: ${second.stats.copied} files`);
  t.equal(wrong(), '', 'every byte is right');

  make();
  const last = await broken(0.2 + random() * 0.5, async () => {
    await sleep(500);
    await sshd.start();
  });
  // Whose success was never heard of is left to the next run, which finds it there.
  const doubtful = [...folders.store.items(last.id).rows(['retry'])].length;
  t.equal(last.status, doubtful === 0 ? 'completed' : 'warn', `the share was back in time: ${last.reason ?? ''}`);
  t.equal(last.stats.failed, doubtful, 'nothing is left for a person');
  const next = await folders.run(job.id);
  t.equal(next.status, 'no_changes', `a run after it: ${next.reason ?? ''}`);
  t.equal(wrong(), '', 'every byte is right');
  const [wanted, found] = [hashes(folders.a), hashes(server.files)];
  t.equal(found.size, wanted.size, 'all files, and no parts');
  t.comment(
    `seed ${seed}: ${files} files, ${first.stats.copied} before the share went; ${doubtful} in doubt; ${first.reason}`,
  );
}
