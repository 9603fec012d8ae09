import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Installation } from '../../support/mounted.js';
import { simulator } from '../../support/simulator.js';
import { atMost, type Case, reported } from '../case.js';
import { quantile } from '../measure.js';

const CHANGES = 12;
/** Seconds. */
const GOAL = 5;

/** How long after it was made a change of somebody else shows in a folder that a program opened within the last minute. */
export const fresh: Case = {
  name: 'fresh',
  async run(scope, say) {
    const running = await simulator(scope, { items: 2000, oddNames: 'no' });
    const installation = new Installation(scope);
    await installation.connect(running);
    const mnt = installation.mountpoint();
    const { admin } = running;
    await installation.must(['mount', `Procore:${running.ready.projects[0]!.id}`, mnt]);
    await installation.crawled(mnt);
    await sleep(6000);
    const before = (await admin.calls()).total;
    const began = performance.now();
    const delays: number[] = [];
    for (let n = 0; n < CHANGES; n++) {
      await readdir(mnt);
      await sleep(1000 * (n % 5));
      const name = `new ${n}.txt`;
      await admin.change({ op: 'create', path: name, content: name });
      const made = performance.now();
      // The kernel remembers that the name was not there, and has to be told.
      while (!(await stat(join(mnt, name)).catch(() => undefined))) await sleep(20);
      delays.push((performance.now() - made) / 1000);
    }
    const minutes = (performance.now() - began) / 60_000;
    const calls = (await admin.calls()).total - before;
    say(delays.map((delay) => delay.toFixed(1)).join(' '));
    return [
      atMost('a change shows after, the longest', GOAL, 's', Math.max(...delays)),
      reported('half of them after', `${quantile(delays, 0.5).toFixed(1)} s`),
      reported('calls a minute meanwhile', (calls / minutes).toFixed(1)),
    ];
  },
};
