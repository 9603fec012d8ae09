import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { constants, endianness } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('../../../test/support/failing-disk.c', import.meta.url));
/** Of the control file, see failing-disk.c. */
const FIELDS = 5;

/** Why no disk can be made to fail here, or false. For `t.test(name, { skip: … })`. */
export const failingDiskUnavailable: string | false =
  existsSync('/usr/bin/gcc') && existsSync('/usr/include/stdlib.h') ? false : 'needs gcc and libc6-dev';

/** The disk below a folder, for the processes that are started with `environment`: it fails when it is told to. */
export class FailingDisk {
  readonly #library: string;
  readonly #control: string;
  readonly #folder: string;

  /** @param scratch where the library is built; @param folder whose disk it is */
  constructor(scratch: string, folder: string) {
    this.#folder = folder;
    this.#library = join(scratch, 'failing-disk.so');
    this.#control = join(scratch, 'failing-disk.control');
    const built = spawnSync('gcc', ['-shared', '-fPIC', '-O1', '-o', this.#library, SOURCE, '-ldl'], {
      encoding: 'utf8',
    });
    if (built.status !== 0) throw new Error(`gcc: ${built.stderr}`);
    writeFileSync(this.#control, Buffer.alloc(FIELDS * 4));
    this.mend();
  }

  get environment(): NodeJS.ProcessEnv {
    return {
      LD_PRELOAD: this.#library,
      FAILING_DISK_FOLDER: this.#folder,
      FAILING_DISK_CONTROL: this.#control,
      // Its calls would not go through libc.
      UV_USE_IO_URING: '0',
    };
  }

  /** From the n-th call on, one call fails, or all. */
  fail(n: number, times: 'once' | 'for ever', errno: 'EIO' | 'ENOSPC'): void {
    this.#write([n - 1, times === 'once' ? 1 : 0, constants.errno[errno], 0, 0]);
  }

  mend(): void {
    this.#write([-1, 0, 0, 0, 0]);
  }

  /** Calls counted and calls failed since `fail` or `mend`. */
  get counts(): { readonly calls: number; readonly failed: number } {
    const bytes = Buffer.alloc(FIELDS * 4);
    const fd = openSync(this.#control, 'r');
    readSync(fd, bytes, 0, bytes.length, 0);
    closeSync(fd);
    const at = (field: number): number =>
      endianness() === 'LE' ? bytes.readInt32LE(field * 4) : bytes.readInt32BE(field * 4);
    return { calls: at(3), failed: at(4) };
  }

  /** In place: the processes have the file mapped. */
  #write(values: readonly number[]): void {
    const fd = openSync(this.#control, 'r+');
    writeSync(fd, Buffer.from(Int32Array.from(values).buffer));
    closeSync(fd);
  }
}
