import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '#src/base/log.js';
import { kernelDriver } from '#src/fuse/kernel/driver.js';
import { MemoryFileSystem } from '../helpers/fuse-memory.js';

/** The drivers alone, on a file system in memory, against rclone and the bare disk: `node fuse.js [peer]`. */
const time = async (command: string): Promise<number> => {
  const start = performance.now();
  await new Promise<void>((resolve, reject) => {
    spawn('sh', ['-c', command], { stdio: ['ignore', 'ignore', 'inherit'] }).on('exit', (status) =>
      status === 0 ? resolve() : reject(new Error(`${command}: ${status}`)),
    );
  });
  return performance.now() - start;
};

const shapes = [
  { name: 'wide', folders: 100, files: 1000 },
  { name: 'normal', folders: 10_000, files: 10 },
];
const base = mkdtempSync(join(tmpdir(), 'bench-'));
const mountpoint = join(base, 'mnt');
mkdirSync(mountpoint);
const peer = process.argv[2] === 'peer';
try {
  for (const { name, folders, files } of shapes) {
    const disk = join(base, name);
    const fs = new MemoryFileSystem();
    if (peer) mkdirSync(disk);
    for (let d = 0; d < folders; d++) {
      const folder = fs.folder(fs.root, `dir-${d}`);
      if (peer) mkdirSync(join(disk, `dir-${d}`));
      for (let i = 0; i < files; i++) {
        fs.file(folder, `file-${i}.pdf`, 'x');
        if (peer) writeFileSync(join(disk, `dir-${d}`, `file-${i}.pdf`), 'x');
      }
    }
    const rows: Record<string, number> = {};
    if (peer) rows.ext4 = await time(`find ${disk} -printf '%s\n'`);
    if (peer) {
      spawn('rclone', ['mount', disk, mountpoint, '--read-only', '--daemon'], { stdio: 'ignore' });
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, 300));
        if (execFileSync('mount').includes(mountpoint)) break;
      }
      rows['rclone first'] = await time(`find ${mountpoint} -printf '%s\n'`);
      rows['rclone second'] = await time(`find ${mountpoint} -printf '%s\n'`);
      execFileSync('umount', [mountpoint]);
    }
    if (process.argv[2] === 'async') fs.before = async () => {};
    const mounted = await kernelDriver.mount(fs, {
      mountpoint,
      source: 'bench',
      allowOther: false,
      readOnly: true,
      uid: 0,
      gid: 0,
      generic: [],
      log: silentLog,
    });
    const cpu = process.cpuUsage();
    rows.first = await time(`find ${mountpoint} -printf '%s\n'`);
    const spent = process.cpuUsage(cpu);
    rows.second = await time(`find ${mountpoint} -printf '%s\n'`);
    rows['daemon cpu first'] = (spent.user + spent.system) / 1000;
    console.log(name, fs.calls);
    if (name === 'wide') {
      const big = fs.file(fs.root, 'big', '');
      big.size = 2 * 1024 ** 3;
      rows['MB/s'] = 2147 / ((await time(`cat ${mountpoint}/big > /dev/null`)) / 1000);
      rows['dd 4k stat'] = await time(`stat ${mountpoint}/big`);
    }
    await mounted.unmount(false);
    console.log(
      name,
      Object.entries(rows)
        .map(([key, value]) => `${key} ${value.toFixed(0)}`)
        .join(', '),
    );
  }
} finally {
  rmSync(base, { recursive: true, force: true });
}
