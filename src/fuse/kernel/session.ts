import { constants } from 'node:os';
import { Failure, isFailure } from '../../base/errors.js';
import type { NodeId } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import type { FileSystem, WritableFileSystem } from '../filesystem.js';
import { BackingFiles } from './backing.js';
import { Channel } from './channel.js';
import { type InitResult, negotiate } from './init.js';
import { isBeingEnded } from './interrupt.js';
import { KernelNotifier } from './notify.js';
import { INC_EPOCH_MINOR, opcode, structs } from './protocol.js';
import { ReplyBuffer } from './reply.js';
import { type FuseRequest, RequestBuffer } from './request.js';

/** The largest read or write that is asked of us: 256 pages. */
const MAX_TRANSFER = 1024 * 1024;
/** Header and struct of the largest request besides its data. */
const REQUEST_OVERHEAD = 4096;
const BUFFER_SIZE = MAX_TRANSFER + REQUEST_OVERHEAD;
/** Buffers kept for the next writes that take their time. */
const SPARE_BUFFERS = 8;
const INTERRUPT_CHECK_MS = 100;
const NO_REPLY = new Set<number>([opcode.FORGET, opcode.BATCH_FORGET]);
const { EIO, EINTR } = constants.errno;

export interface ReplyPolicy<T> {
  /** Waits for the file system although the caller was interrupted: what it began is to be known. */
  readonly patient?: boolean;
  readonly discard?: (value: T) => void;
}

/** Answers a request (true), or sees to it that it is answered later (false). What it throws is answered as an error. */
export type OperationHandler = (session: FuseSession, request: FuseRequest, incoming: RequestBuffer) => boolean;

/** One mounted connection: takes requests apart, calls the file system, answers. */
export class FuseSession {
  readonly reply = new ReplyBuffer(MAX_TRANSFER);
  readonly channel: Channel;
  readonly notifier: KernelNotifier;
  /** Resolves when the kernel has been answered; rejects when it speaks a protocol that is too old. */
  readonly ready: Promise<InitResult>;
  /** The operations that change something, if this mount has them. */
  readonly writable: WritableFileSystem | undefined;
  backing: BackingFiles;
  #incoming = new RequestBuffer(BUFFER_SIZE);
  readonly #spare: RequestBuffer[] = [];
  /** The last cookie of folders whose listing is known to be complete, by handle. */
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
      /** Who answers an operation of this code. */
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

  /** Sends what lies in `reply`. False if nobody waits for it any more. */
  send(request: FuseRequest, length: number): boolean {
    this.reply.header(request, length);
    return this.channel.send(this.reply.bytes, length);
  }

  /** Sends `data`, which is not copied. */
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

  /** Leaves the present request's buffer alone until `work` has ended: requests are read into another one. */
  lend(work: Promise<unknown>): void {
    const lent = this.#incoming;
    this.#incoming = this.#spare.pop() ?? new RequestBuffer(BUFFER_SIZE);
    const back = (): void => {
      if (this.#spare.length < SPARE_BUFFERS) this.#spare.push(lent);
    };
    work.then(back, back);
  }

  /**
   * Answers when `result` is there. An interrupt answers EINTR at once, unless the operation is `patient`; what comes
   * later goes to `discard`, which gives back what the caller never got.
   */
  later<T>(request: FuseRequest, result: Promise<T>, answer: (value: T) => void, options: ReplyPolicy<T>): void {
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

  /** Counts the pending requests of a request's nodes. */
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
    // Answered meanwhile: the kernel takes the interrupt back itself.
    if (!request) return;
    // The kernel says it once; a later signal is found by looking again.
    if (!isBeingEnded(request.pid)) {
      setTimeout(() => this.channel.open && this.#interrupt(unique), INTERRUPT_CHECK_MS).unref();
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
