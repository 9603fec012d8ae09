import { closeSync } from 'node:fs';
import { availableParallelism, constants } from 'node:os';
import { addressOf, inPool, lastErrno, libc, systemError } from '../libc.js';
import type { RequestBuffer } from './request.js';

const { EAGAIN, EINTR, ENODEV, ENOENT, ECONNABORTED } = constants.errno;
const POLLIN = 1;
/** From `fcntl.h` and `sys/eventfd.h`. */
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

/**
 * After an answer the caller usually asks again within microseconds. Looking for that long saves a thread switch per
 * request; on one core it would only keep the caller from running.
 */
const SPIN_MS = availableParallelism() > 1 ? 0.02 : 0;
/**
 * Then this thread itself sleeps for at most so long (the event loop has nothing else to do most of the time): waking it
 * costs a fraction of what waking it through the thread pool does, above all on a busy machine.
 */
const NAP_MS = 0.3;
/** After so long without a pause, other work of the event loop gets its turn. */
const TURN_MS = 4;

/**
 * The open device: waits for requests, reads them, sends answers. One thread of the pool sleeps in poll(2) while
 * nothing happens; as soon as something comes, requests are read on the main thread until there are none left, so that
 * the switch between threads is paid once per burst.
 */
export class Channel {
  readonly ended: Promise<void>;
  #end!: () => void;
  #over = false;
  #armed = false;
  #draining = false;
  #lastAnswer = 0;
  #scheduled = false;
  readonly #fd: number;
  readonly #wake: number;
  /** Two `struct pollfd`: the device, and what ends the wait. */
  readonly #pollfds = new Int32Array(4);
  /** The device alone, for the nap, and how long that may be (`struct timespec`). */
  readonly #napfd = new Int32Array(2);
  readonly #nap = new BigInt64Array([0n, BigInt(NAP_MS * 1e6)]);
  /** A `struct iovec[2]`: header and data of an answer. */
  readonly #iovec = new BigUint64Array(4);

  /**
   * @param fd the mounted device, which belongs to the channel from now on
   * @param incoming where the next request is read to
   * @param onRequest called for each request, which lies in `incoming` until it returns; true if it is dealt with,
   * false if the answer comes later
   * @param isAwaiting whether an answer is to come later: the event loop is needed for it
   */
  constructor(
    fd: number,
    private readonly incoming: () => RequestBuffer,
    private readonly onRequest: () => boolean,
    private readonly isAwaiting: () => boolean,
  ) {
    this.#fd = fd;
    if (libc.fcntl(fd, F_SETFL, O_NONBLOCK) < 0) throw systemError('fcntl');
    this.#wake = libc.eventfd(0, EFD_CLOEXEC);
    if (this.#wake < 0) throw systemError('eventfd');
    this.#pollfds.set([fd, POLLIN, this.#wake, POLLIN]);
    this.#napfd.set([fd, POLLIN]);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get fd(): number {
    return this.#fd;
  }

  get open(): boolean {
    return !this.#over;
  }

  start(): void {
    this.#sleep();
  }

  /** Sends `length` bytes of `message`. False if nobody waits for this answer any more. */
  send(message: Uint8Array, length: number): boolean {
    // The number may be that of another file by now.
    return !this.#over && this.#sent(Number(libc.write(this.#fd, message, length)));
  }

  /** As `send`, with `data` after the header, without copying it. */
  sendWith(header: Uint8Array, headerLength: number, data: Uint8Array): boolean {
    if (this.#over) return false;
    const iovec = this.#iovec;
    iovec[0] = addressOf(header);
    iovec[1] = BigInt(headerLength);
    iovec[2] = addressOf(data);
    iovec[3] = BigInt(data.byteLength);
    return this.#sent(Number(libc.writev(this.#fd, iovec, 2)));
  }

  #sent(result: number): boolean {
    if (result >= 0) return true;
    const errno = lastErrno();
    // ENOENT: the request was interrupted and forgotten. ENODEV: unmounted meanwhile.
    if (errno === ENOENT || errno === ENODEV || errno === ECONNABORTED) return false;
    throw systemError('write', errno);
  }

  /** After an answer that was not given at once: the caller's next request is probably on its way. */
  nudge(): void {
    this.#lastAnswer = performance.now();
    if (!this.#draining && !this.#over) this.#drain();
  }

  /** Ends the channel: the kernel answers everything that is pending with an error. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#armed) libc.write(this.#wake, new BigUint64Array([1n]), 8);
    else this.#finish();
  }

  #finish(): void {
    closeSync(this.#fd);
    closeSync(this.#wake);
    this.#end();
  }

  #sleep(): void {
    if (this.#armed) return;
    this.#armed = true;
    inPool('poll', this.#pollfds, 2, -1)
      .catch(() => 0)
      .then(() => {
        this.#armed = false;
        if (this.#over) this.#finish();
        else this.#drain();
      });
  }

  #drain(): void {
    this.#draining = true;
    let again: boolean;
    try {
      again = this.#readAll();
    } finally {
      this.#draining = false;
    }
    if (again) this.#later();
    else if (!this.#over) this.#sleep();
  }

  /** Reads and hands on until there is nothing left; true if the rest has to wait for the event loop's other work. */
  #readAll(): boolean {
    const started = performance.now();
    let awaited = false;
    while (!this.#over) {
      const incoming = this.incoming();
      const length = Number(libc.read(this.#fd, incoming.bytes, incoming.bytes.length));
      if (length > 0) {
        incoming.length = length;
        if (!this.onRequest()) awaited = true;
        this.#lastAnswer = performance.now();
        if (this.#lastAnswer - started > TURN_MS) return true;
        continue;
      }
      const errno = lastErrno();
      if (errno === EAGAIN) {
        // An answer that is awaited may need nothing but the end of this turn.
        if (awaited) return true;
        if (performance.now() - this.#lastAnswer < SPIN_MS) continue;
        if (this.isAwaiting() || libc.ppoll(this.#napfd, 1, this.#nap, null) <= 0) return false;
      } else if (errno !== EINTR && errno !== ENOENT) {
        // ENOENT: the request was taken back before it was read. Otherwise (ENODEV) the mount is gone.
        this.close();
      }
    }
    return false;
  }

  #later(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#over && !this.#draining) this.#drain();
    });
  }
}
