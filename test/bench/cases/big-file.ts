import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Installation } from '../../support/mounted.js';
import { simulator } from '../../support/simulator.js';
import { Api } from '../api.js';
import { atLeast, atMost, type Case, reported } from '../case.js';
import { median, memory, pairedRatio, runs, time } from '../measure.js';

const MIB = 2 ** 20;
const SIZE = 1024 * MIB;
const PAIRS = 3;

/** A part of a large file, and large files read from end to end that were never read before; curl reads the same URLs. */
export const bigFile: Case = {
  name: 'big-file',
  async run(scope, say) {
    const running = await simulator(scope, { items: 20 });
    const { admin } = running;
    const name = (n: number): string => `big-${n}.bin`;
    for (let n = 0; n <= PAIRS; n++) await admin.change({ op: 'create', path: name(n), size: SIZE });
    const installation = new Installation(scope);
    await installation.connect(running);
    const mnt = installation.mountpoint();
    await installation.must(['mount', `Procore:${running.ready.projects[0]!.id}`, mnt]);
    await installation.crawled(mnt);
    const files = await new Api(running.ready).files();
    const urlOf = (n: number): string | undefined => files.find((file) => file.name === name(n))?.url;

    await admin.reset();
    await time(`dd if=${join(mnt, name(0))} of=/dev/null bs=1M skip=512 count=1 status=none`);
    // What was begun ahead of the reader arrives as well.
    await sleep(1000);
    const middle = await admin.calls();

    const ours: number[] = [];
    const curl: number[] = [];
    const saved: number[] = [];
    const calls: number[] = [];
    for (let n = 1; n <= PAIRS; n++) {
      curl.push(await time(`curl -sSf -o /dev/null '${urlOf(n)}'`));
      saved.push(await time(`curl -sSf -o ${installation.folder}/saved '${urlOf(n)}'`));
      rmSync(join(installation.folder, 'saved'));
      await admin.reset();
      ours.push(await time(`cat ${join(mnt, name(n))}`));
      calls.push((await admin.calls()).total);
    }
    say(`1 GiB: ours ${runs(ours)}, curl ${runs(curl)}, curl to disk ${runs(saved)}`);
    const { pid } = await installation.status(mnt);
    return [
      atMost('bytes for 1 MiB from the middle of 1 GiB', 4, 'MiB', middle.storage.bytes / MIB, `${middle.total} calls`),
      atLeast(
        'speed of 1 GiB read through, against curl',
        0.8,
        pairedRatio(curl, ours),
        `${(SIZE / 1000 / median(ours)).toFixed(0)} MB/s, curl ${(SIZE / 1000 / median(curl)).toFixed(0)} MB/s`,
      ),
      // The mount keeps what it reads; so does this one.
      reported(
        'speed of 1 GiB read through, against curl that saves it',
        `${pairedRatio(saved, ours).toFixed(2)} × (${(SIZE / 1000 / median(saved)).toFixed(0)} MB/s)`,
      ),
      reported('calls, peak memory of the daemon', `${calls.join('/')} calls, ${memory(pid).peak.toFixed(0)} MB`),
    ];
  },
};
