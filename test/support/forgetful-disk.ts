import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { fuseFolder, type Teardown } from './fuse-mount.js';
import { kill, run } from './mounted.js';

/** Why no such disk can be made here, or false. For `t.test(name, { skip: … })`. */
export const forgetfulDiskUnavailable: string | false =
  process.getuid?.() !== 0
    ? 'needs root: it mounts a file system of its own'
    : existsSync('/dev/loop-control') && existsSync('/usr/sbin/mkfs.ext4')
      ? false
      : 'needs loop devices and e2fsprogs';

async function must(program: string, ...words: string[]): Promise<string> {
  const ran = await run(program, words);
  if (ran.code !== 0) throw new Error(`${program} ${words.join(' ')}: ${ran.stderr}`);
  return ran.stdout.trim();
}

/**
 * ext4 on a loop device on a disk with a cache: what the kernel did not flush to it is lost with the power. The disk is
 * a file of a FUSE file system in a process of its own, so that nothing here waits for itself.
 */
export class ForgetfulDisk {
  /** Where the file system is mounted. */
  readonly path: string;
  readonly #images: string;
  readonly #server: ChildProcess;
  readonly #devices: string[] = [];

  private constructor(path: string, images: string, server: ChildProcess) {
    this.path = path;
    this.#images = images;
    this.#server = server;
  }

  static async make(t: Teardown): Promise<ForgetfulDisk> {
    const base = fuseFolder(t);
    const [path, images] = [join(base, 'disk'), join(base, 'images')];
    for (const folder of [path, images]) mkdirSync(folder);
    const script = fileURLToPath(new URL('./forgetful-disk-process.js', import.meta.url));
    const server = fork(script, [images], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const disk = new ForgetfulDisk(path, images, server);
    t.teardown(() => disk.#close());
    await new Promise((resolve, reject) => {
      server.once('message', resolve);
      server.once('exit', () => reject(new Error('the disk ended')));
    });
    const device = await disk.#attach('before');
    await must('mkfs.ext4', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0,nodiscard', device);
    await must('mount', '-t', 'ext4', device, path);
    return disk;
  }

  /** Everything written so far is on stable storage. */
  async sync(): Promise<void> {
    await must('sync', '-f', this.path);
  }

  /**
   * The power goes; the users of the disk must have been killed. Mounts what is on stable storage: what was flushed, and
   * of what was written since each block with this probability.
   */
  async cut(survives: number, seed: number): Promise<void> {
    const done = new Promise((resolve) => this.#server.once('message', resolve));
    this.#server.send({ survives, seed });
    await done;
  }

  /** The power comes back. */
  async restart(): Promise<void> {
    await must('umount', '-l', this.path);
    const device = await this.#attach('after');
    await must('mount', '-t', 'ext4', device, this.path);
  }

  async #attach(image: string): Promise<string> {
    const device = await must('losetup', '-f', '--show', join(this.#images, image));
    this.#devices.unshift(device);
    return device;
  }

  async #close(): Promise<void> {
    await run('umount', ['-l', this.path]);
    // A device is let go once what was mounted from it is gone, which takes a moment after the daemon's end.
    for (let left = 100; left > 0; left--) {
      for (const device of this.#devices) await run('losetup', ['-d', device]);
      const listed = (await run('losetup', ['-a'])).stdout;
      if (!this.#devices.some((device) => listed.includes(`${device}:`))) break;
      await sleep(50);
    }
    await kill(this.#server);
    await run('umount', ['-l', this.#images]);
  }
}
