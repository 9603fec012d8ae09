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
 * After an answer the caller usually sends the next request within microseconds. Polling for that long saves a thread
 * switch per request; on a single core it would only keep the caller from running. Milliseconds.
 */
const SPIN_MS = availableParallelism() > 1 ? 0.02 : 0;
/**
 * Then the main thread itself sleeps for at most this long, in milliseconds (the event loop is mostly idle). Waking it
 * costs a fraction of waking it through the thread pool, above all on a busy machine.
 */
const NAP_MS = 0.3;
/** Milliseconds of continuous reading after which the event loop may run other work. */
const TURN_MS = 4;

/**
 * The open FUSE device: waits for requests, reads them, sends replies. While idle, one thread of the pool sleeps in
 * poll(2). When a request arrives, the main thread reads requests until none is left, so that the thread switch is paid
 * once per burst.
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
  /** Two `struct pollfd`: the device, and the eventfd that ends the wait. */
  readonly #pollfds = new Int32Array(4);
  /** The device alone, for the sleep of the main thread, and its longest duration (`struct timespec`). */
  readonly #napfd = new Int32Array(2);
  readonly #nap = new BigInt64Array([0n, BigInt(NAP_MS * 1e6)]);
  /** A `struct iovec[2]`: header and data of an answer. */
  readonly #iovec = new BigUint64Array(4);

  /**
   * @param fd the mounted device, which the channel owns from now on
   * @param incoming returns the buffer for the next request
   * @param onRequest called for each request, which is in `incoming` until it returns; true if it has been handled,
   * false if the reply comes later
   * @param isAwaiting whether a reply is pending, which needs the event loop
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

  /** Sends `length` bytes of `message`. False if the request was abandoned or the mount has ended. */
  send(message: Uint8Array, length: number): boolean {
    // After the end, the descriptor number may belong to another file.
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
    // ENOENT: the request was interrupted and abandoned. ENODEV: unmounted meanwhile.
    if (errno === ENOENT || errno === ENODEV || errno === ECONNABORTED) return false;
    throw systemError('write', errno);
  }

  /** To be called after a delayed reply: reads requests, as the caller's next one probably arrives soon. */
  nudge(): void {
    this.#lastAnswer = performance.now();
    if (!this.#draining && !this.#over) this.#drain();
  }

  /** Closes the channel: the kernel fails all pending requests. */
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

  /** Reads and passes on requests until none is left; true if the event loop must run other work first. */
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
        // A pending reply may need only the end of this turn of the event loop.
        if (awaited) return true;
        if (performance.now() - this.#lastAnswer < SPIN_MS) continue;
        if (this.isAwaiting() || libc.ppoll(this.#napfd, 1, this.#nap, null) <= 0) return false;
      } else if (errno !== EINTR && errno !== ENOENT) {
        // ENOENT: the request was aborted before it was read. Any other errno (ENODEV): the mount has ended.
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
