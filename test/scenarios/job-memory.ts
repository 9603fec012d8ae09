import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { JobBench } from './jobs.js';
import { memoryOf, type Scenario } from './scenarios.js';

interface Shown {
  readonly executions: readonly {
    readonly simulation: boolean;
    readonly status: string;
    readonly ended?: number;
    readonly started: number;
    readonly stats: { readonly estimate?: { readonly items: number }; readonly copied?: number };
  }[];
}

const MOST_MB = 300;
const MOST_WAIT = 1000;

/**
 * A dry run over a project of many items, by the daemon that has it mounted, while a person looks at the mount: what the
 * daemon takes of memory, and how long the person waits. Then, of fewer items, a real one and one without changes.
 */
export async function jobMemory(t: Scenario, items: number, copied: number): Promise<void> {
  const roomy = { hourly: 1_000_000, spike: 100_000, oddNames: 'no', fileSize: 100 } as const;
  await observed(t, { ...roomy, items }, ['--simulate'], 'a dry run');
  await observed(t, { ...roomy, items: copied }, [], 'a copy', 'no changes');
}

async function observed(
  t: Scenario,
  settings: Parameters<typeof JobBench.create>[1] & { readonly items: number },
  words: readonly string[],
  ...runs: readonly string[]
): Promise<void> {
  const bench = await JobBench.create(t, settings);
  const { installation, running, source } = bench;
  const mnt = installation.mountpoint();
  await installation.must(['mount', source, mnt, '-o', 'poll=3600']);
  const { pid, crawl } = await installation.crawled(mnt);
  const crawled = await memoryOf(pid);
  await bench.add('out', ['--from', source, '--to', bench.folder('out'), '--schedule', 'manual']);
  const folders = (await readdir(mnt)).map((name) => `${mnt}/${name}`);
  const executions = async (): Promise<Shown['executions']> =>
    (JSON.parse(await installation.must(['jobs', 'show', 'out', '--json'])) as Shown).executions;
  for (const [n, what] of runs.entries()) {
    await installation.must(['jobs', 'run', 'out', ...words]);
    let longest = 0;
    let last: Shown['executions'][number] | undefined;
    for (let look = 0; last?.ended === undefined; look++) {
      const start = performance.now();
      await readdir(folders[look % folders.length]!).catch(() => []);
      longest = Math.max(longest, performance.now() - start);
      await sleep(200);
      if (look % 10 === 9) last = (await executions()).length > n ? (await executions())[0] : undefined;
    }
    const memory = await memoryOf(pid);
    const seconds = (last.ended - last.started) / 1000;
    t.comment(
      `${what} of ${crawl.items} items: ${last.status} in ${seconds.toFixed(0)} s, ${memory.most} MB at most ` +
        `(${crawled.most} MB in the crawl), ${memory.now} MB after it; a person waited ${longest.toFixed(0)} ms at most`,
    );
    t.ok(['completed', 'no_changes'].includes(last.status), `${what}: ${last.status}`);
    t.ok(memory.most <= MOST_MB, `${what}: ${memory.most} MB`);
    t.ok(longest <= MOST_WAIT, `${what}: a person waited ${longest.toFixed(0)} ms`);
  }
  await installation.must(['umount', mnt]);
  await running.close();
}
