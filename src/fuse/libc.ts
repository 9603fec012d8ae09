import { getSystemErrorName } from 'node:util';
import koffi from 'koffi';

/**
 * The C library calls that Node lacks, with the prototypes of their manual pages (section 2). On 64-bit Linux the
 * variadic `fcntl` and `ioctl` take their third argument in the same register as a fixed one. Results are −1 on error;
 * `lastErrno()` then returns the errno. Buffers are passed by address: callers of `.async` must keep a reference to
 * them.
 */
const library = koffi.load('libc.so.6');

export const libc = {
  read: library.func('long read(int, void *, size_t)'),
  write: library.func('long write(int, void *, size_t)'),
  writev: library.func('long writev(int, void *, int)'),
  poll: library.func('int poll(void *, unsigned long, int)'),
  ppoll: library.func('int ppoll(void *, unsigned long, void *, void *)'),
  eventfd: library.func('int eventfd(unsigned int, int)'),
  fcntl: library.func('int fcntl(int, int, int)'),
  ioctl: library.func('int ioctl(int, unsigned long, void *)'),
  getpagesize: library.func('int getpagesize()'),
  mount: library.func('int mount(const char *, const char *, const char *, unsigned long, const char *)'),
  umount2: library.func('int umount2(const char *, int)'),
  socketpair: library.func('int socketpair(int, int, int, _Out_ int *)'),
  recvmsg: library.func('long recvmsg(int, void *, int)'),
} as const;

export const lastErrno = (): number => koffi.errno();

/** The address of a buffer's memory, which does not move while the buffer lives. */
export const addressOf = (buffer: Uint8Array): bigint => BigInt(koffi.address(buffer) ?? 0);

/** An error like those of `node:fs`, with `code`, `errno` and `syscall`. */
export function systemError(syscall: string, errno = lastErrno()): NodeJS.ErrnoException {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`${syscall}: ${code}`), { code, errno: -errno, syscall });
}

interface Async {
  async(...args: unknown[]): void;
}

/**
 * Runs a call in the thread pool and resolves with its result; −1 rejects with the `systemError` of that call (koffi
 * passes the errno of the pool thread on to the callback). Waits for a free thread of the pool.
 */
export function inPool(name: keyof typeof libc, ...args: unknown[]): Promise<number> {
  return new Promise((resolve, reject) => {
    (libc[name] as unknown as Async).async(...args, (error: Error | null, result: number | bigint) => {
      const errno = lastErrno();
      if (error) reject(error);
      else if (Number(result) === -1) reject(systemError(name, errno));
      else resolve(Number(result));
    });
  });
}
