import { constants } from 'node:os';
import { systemClock } from '../../base/clock.js';
import { Failure, isFailure } from '../../base/errors.js';
import type { NodeId } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import type { Awaitable } from '../filesystem.js';
import type { FileSystem, WritingOperations } from '../operations.js';
import { BackingFiles } from './backing.js';
import { Channel } from './channel.js';
import { type InitResult, negotiate } from './init.js';
import { isBeingEnded } from './interrupt.js';
import { KernelNotifier } from './notify.js';
import { INC_EPOCH_MINOR, type Layout, opcode, structs } from './protocol.js';
import { ReplyBuffer } from './reply.js';
import { type FuseRequest, RequestBuffer } from './request.js';

/** Bytes of the largest read or write that the kernel requests: 256 pages. */
const MAX_TRANSFER = 1024 * 1024;
/** Bytes for the header and struct of a request, besides its data. */
const REQUEST_OVERHEAD = 4096;
const BUFFER_SIZE = MAX_TRANSFER + REQUEST_OVERHEAD;
/** Buffers kept for later writes that are not answered at once. */
const SPARE_BUFFERS = 8;
const INTERRUPT_CHECK_MS = 100;
const NO_REPLY = new Set<number>([opcode.FORGET, opcode.BATCH_FORGET]);
const { EIO, EINTR } = constants.errno;

export interface ReplyPolicy<T> {
  /** Wait for the file system even if the caller is interrupted, because the outcome must be reported. */
  readonly patient?: boolean;
  readonly discard?: (value: T) => void;
}

/** Answers a request (true), or arranges that it is answered later (false). If it throws, an error is answered. */
export type OperationHandler = (session: FuseSession, request: FuseRequest, incoming: RequestBuffer) => boolean;

/** A request that an operation of the file system serves, with what the protocol says of it alone. */
export interface Message<Handler> {
  readonly opcode: number;
  /** Its own structs, by their names in the header without `fuse_`. */
  readonly structs?: Readonly<Record<string, Layout<string>>>;
  readonly handler: Handler;
}

/** Messages by their names in the header, without `FUSE_`. */
export type Messages<Handler = OperationHandler> = Readonly<Record<string, Message<Handler>>>;

/** One mounted connection: decodes requests, calls the file system, sends replies. */
export class FuseSession {
  readonly reply = new ReplyBuffer(MAX_TRANSFER);
  readonly channel: Channel;
  readonly notifier: KernelNotifier;
  /** Resolves when FUSE_INIT has been answered; rejects if the kernel's protocol is too old. */
  readonly ready: Promise<InitResult>;
  /** The operations that change something, if this mount has them. */
  readonly writable: WritingOperations | undefined;
  backing: BackingFiles;
  #incoming = new RequestBuffer(BUFFER_SIZE);
  readonly #spare: RequestBuffer[] = [];
  /** By handle: the cookie of the last entry, once a listing has reached its end. */
  readonly finished = new Map<number, number>();
  readonly #pending = new Map<number, FuseRequest>();
  readonly #pendingNodes = new Map<NodeId, number>();
  #settleReady!: { resolve(result: InitResult): void; reject(error: unknown): void };

  constructor(
    fd: number,
    readonly fileSystem: FileSystem,
    readonly options: {
      readonly readOnly: boolean;
      readonly wantPassthrough: boolean;
      /** Returns the handler of an opcode. */
      readonly handler: (code: number, isWritable: boolean) => OperationHandler;
      readonly log: Log;
    },
  ) {
    this.writable = options.readOnly ? undefined : fileSystem.writable;
    this.channel = new Channel(
      fd,
      () => this.#incoming,
      () => this.#receive(),
      () => this.#pending.size > 0,
    );
    this.notifier = new KernelNotifier(fd, (node) => this.#pendingNodes.has(node));
    this.backing = new BackingFiles(fd, false, options.log);
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    this.channel.ended.then(() => this.#end());
  }

  /** Sends the content of `reply`. False if the request was abandoned or the mount has ended. */
  send(request: FuseRequest, length: number): boolean {
    this.reply.header(request, length);
    return this.channel.send(this.reply.bytes, length);
  }

  /** Sends `data` without copying it. */
  sendData(request: FuseRequest, data: Uint8Array): boolean {
    this.reply.header(request, structs.out_header.size + data.byteLength);
    return this.channel.sendWith(this.reply.bytes, structs.out_header.size, data);
  }

  /** Answers with an errno (0: success without data). */
  sendStatus(request: FuseRequest, errno: number): void {
    this.reply.header(request, structs.out_header.size, errno);
    this.channel.send(this.reply.bytes, structs.out_header.size);
  }

  fail(request: FuseRequest, error: unknown): void {
    this.sendStatus(request, this.#errno(error));
  }

  /** Keeps the buffer of the current request until `work` has ended: new requests are read into another one. */
  lend(work: Promise<unknown>): void {
    const lent = this.#incoming;
    this.#incoming = this.#spare.pop() ?? new RequestBuffer(BUFFER_SIZE);
    const back = (): void => {
      if (this.#spare.length < SPARE_BUFFERS) this.#spare.push(lent);
    };
    work.then(back, back);
  }

  /** Answers now (true), or when the result settles (false). */
  deliver<T>(
    request: FuseRequest,
    result: Awaitable<T>,
    answer: (value: T) => void,
    policy: ReplyPolicy<T> = {},
  ): boolean {
    if (result instanceof Promise) {
      this.#later(request, result, answer, policy);
      return false;
    }
    answer(result);
    return true;
  }

  /**
   * Answers when `result` settles. An interrupt answers EINTR at once, unless the operation is `patient`; a result that
   * comes afterwards goes to `discard`, which releases what the caller never got.
   */
  #later<T>(request: FuseRequest, result: Promise<T>, answer: (value: T) => void, options: ReplyPolicy<T>): void {
    this.#pending.set(request.unique, request);
    request.patient = options.patient === true;
    this.#pin(request, 1);
    const settle = (respond: () => void, drop?: () => void): void => {
      const waits = this.#pending.delete(request.unique);
      if (!waits || !this.channel.open) {
        drop?.();
        return;
      }
      this.#pin(request, -1);
      try {
        respond();
      } catch (error) {
        this.fail(request, error);
      }
      this.channel.nudge();
    };
    result.then(
      (value) => settle(() => answer(value), options.discard && (() => options.discard?.(value))),
      (error) => settle(() => this.fail(request, error)),
    );
  }

  /** Updates the counts of pending requests on the request's nodes. */
  #pin(request: FuseRequest, change: 1 | -1): void {
    for (const node of request.other === undefined ? [request.node] : [request.node, request.other]) {
      const count = (this.#pendingNodes.get(node) ?? 0) + change;
      if (count > 0) this.#pendingNodes.set(node, count);
      else this.#pendingNodes.delete(node);
    }
    if (change < 0) this.notifier.released();
  }

  #receive(): boolean {
    const code = this.#incoming.opcode;
    if (NO_REPLY.has(code)) return true;
    const request = this.#incoming.header();
    try {
      if (code === opcode.INTERRUPT) this.#interrupt(this.#incoming.u64(structs.interrupt_in.at.unique));
      else if (code === opcode.INIT) this.#init(request);
      else return this.options.handler(code, this.writable !== undefined)(this, request, this.#incoming);
    } catch (error) {
      this.fail(request, error);
    }
    return true;
  }

  #init(request: FuseRequest): void {
    const result = negotiate(this.#incoming, { ...this.options, writable: this.writable !== undefined }, MAX_TRANSFER);
    if (result instanceof Error) {
      this.sendStatus(request, constants.errno.EPROTO);
      this.#settleReady.reject(result);
      return;
    }
    this.notifier.canExpireAll = result.minor >= INC_EPOCH_MINOR;
    this.backing = new BackingFiles(this.channel.fd, result.passthrough, this.options.log);
    this.reply.bytes.set(result.reply, structs.out_header.size);
    this.send(request, structs.out_header.size + result.reply.length);
    this.#settleReady.resolve(result);
  }

  #interrupt(unique: number): void {
    const request = this.#pending.get(unique);
    // Already answered: the kernel drops the interrupt itself.
    if (!request) return;
    // The kernel sends FUSE_INTERRUPT only once per request; a later signal is found by polling.
    if (!isBeingEnded(request.pid)) {
      systemClock.after(INTERRUPT_CHECK_MS, () => this.channel.open && this.#interrupt(unique));
      return;
    }
    if (!request.patient) {
      this.#pending.delete(unique);
      this.#pin(request, -1);
      this.sendStatus(request, EINTR);
    }
    request.interrupt(new Failure('interrupted'));
  }

  #errno(error: unknown): number {
    if (isFailure(error)) return (constants.errno as Record<string, number>)[error.errno] ?? EIO;
    this.options.log.error({ err: error }, 'a file operation failed');
    return EIO;
  }

  #end(): void {
    const gone = new Failure('interrupted', { why: 'the mount has ended' });
    this.#settleReady.reject(gone);
    for (const request of this.#pending.values()) request.interrupt(gone);
    this.#pending.clear();
    this.#pendingNodes.clear();
    this.notifier.close();
    this.backing.close();
  }
}
