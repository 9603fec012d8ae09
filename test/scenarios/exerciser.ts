import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mounted, run } from '../support/mounted.js';
import { randomBy } from '../support/random.js';
import type { Scenario } from './scenarios.js';

const SCRIPT = fileURLToPath(new URL('../support/exerciser-process.js', import.meta.url));
/** Bytes of the files at the beginning, and at most. */
const SIZES = [0, 1, 5000, 65_536, 300_000, 1_500_000];
const MOST = 2 ** 21;
const OPTIONS = 'settle=0,delete_delay=0,poll=3600,hold_after=1000000';

/**
 * Random reads, writes, truncations, mappings and renames of several files, each answer compared with a shadow copy;
 * meanwhile the outbox sends what it can. Each round begins with nothing cached, so that what is written to is still
 * being brought in. In the end the server has each byte.
 */
export async function exercise(
  t: Scenario,
  driver: 'kernel' | 'fuse-native',
  operations: number,
  rounds: number,
  seed: number,
): Promise<void> {
  t.comment(`${driver}: ${rounds} × ${Math.ceil(operations / rounds)} operations, seed ${seed}`);
  const words = ['--driver', driver, '-o', OPTIONS];
  const settings = { items: 0, oddNames: 'no', spike: 100_000, hourly: 1_000_000, latency: 5 } as const;
  const { installation, simulator, source, mnt } = await mounted(t, settings, words);
  const shadows = join(installation.folder, 'shadows');
  mkdirSync(shadows);
  const random = randomBy(seed);
  for (const [n, size] of SIZES.entries()) {
    const content = Buffer.from(Array.from({ length: size }, () => 32 + Math.floor(random() * 90))).toString();
    await simulator.admin.change({ op: 'create', path: `file ${String.fromCharCode(97 + n)}.bin`, content });
    writeFileSync(join(shadows, `file ${String.fromCharCode(97 + n)}.bin`), content);
  }
  for (let round = 0; round < rounds; round++) {
    await installation.must(['umount', mnt]);
    await installation.ended();
    rmSync(join(installation.state, 'projects'), { recursive: true });
    await installation.must(['mount', source, mnt, ...words]);
    await installation.crawled(mnt);
    const count = Math.ceil(operations / rounds);
    const given = [mnt, shadows, seed + round, count, MOST, driver === 'kernel' ? 'yes' : 'no'].map(String);
    const ran = await run(process.execPath, [SCRIPT, ...given], { timeout: 3_600_000 });
    t.equal(ran.code, 0, ran.stderr);
    if (ran.code !== 0) return;
    await installation.must(['drain', mnt, '--timeout', '240']);
    const sums = Object.entries(JSON.parse(ran.stdout) as Record<string, string>);
    const tree = (await simulator.admin.tree()).filter(({ type }) => type === 'file');
    t.equal(
      tree
        .map(({ path, sha256 }) => `${path} ${sha256}`)
        .sort()
        .join('\n'),
      sums
        .map(([path, sum]) => `${path} ${sum}`)
        .sort()
        .join('\n'),
      `round ${round}: the server has each byte`,
    );
  }
}
