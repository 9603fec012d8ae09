import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../base/clock.js';
import { Failure } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { OncePer } from '../base/once-per.js';
import { EAGER, type Reading } from '../cache/reader.js';
import type { PreviewBudget } from './preview-budget.js';
import { isHost, type Program, programOf } from './programs.js';

export interface ReadersOptions {
  readonly budget: PreviewBudget;
  readonly clock: Clock;
  readonly log: Log;
}

export interface PreviewStatistics {
  /** Bytes fetched within the last hour for programs that read without a user's request. */
  readonly bytes: number;
  readonly limit: number;
  /** Count of refused opens and reads. */
  readonly refused: number;
}

/** A process, as described in /proc. */
interface Caller {
  /** The id of the process, not of the thread. */
  readonly pid: number;
  readonly comm: string;
  readonly program: Program | undefined;
  /** The process has a controlling terminal, so a user is likely to wait for it. */
  readonly attended: boolean;
}

interface Habit {
  /** Consecutive files of which the process has read only the beginning. */
  heads: number;
  at: number;
}

/** Milliseconds for which facts about a pid are cached: a process may start another program. */
const KNOWN_MS = 1000;
const PROCESSES = 512;
/** Consecutive beginnings that make a habit, and how long the habit is remembered (milliseconds). */
const HABIT = 4;
const REMEMBERED = 60_000;
/** A file read no further than this (bytes, kernel read-ahead included), and less than half, counts as a beginning. */
const HEAD_BYTES = 512 * 1024;
const LATE: Reading = { ahead: 'late' };
const NOBODY: Caller = { pid: 0, comm: '', program: undefined, attended: true };

/**
 * Distinguishes programs that read on their own (thumbnailers, indexers, virus scanners) from those that read for
 * users: by name, or by the habit of reading only beginnings. The former share a budget of bytes per hour.
 */
export class Readers {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #budget: PreviewBudget;
  readonly #callers: LRUCache<number, Caller>;
  readonly #habits = new LRUCache<number, Habit>({ max: PROCESSES });
  readonly #logged: OncePer;
  #refused = 0;

  constructor({ budget, clock, log }: ReadersOptions) {
    this.#clock = clock;
    this.#log = log;
    this.#logged = new OncePer(clock);
    this.#budget = budget;
    this.#callers = new LRUCache({ max: PROCESSES, ttl: KNOWN_MS });
  }

  statistics(): PreviewStatistics {
    return { bytes: this.#budget.spent, limit: this.#budget.limit, refused: this.#refused };
  }

  /** How content is fetched for a process that opens a file. @param pid of the request; 0 if it is not known */
  reading(pid: number): Reading {
    const caller = this.#caller(pid);
    if (caller.program?.kind === 'reader') return this.#bounded(caller);
    if (caller.program?.kind === 'shower') return LATE;
    if (!this.#hasHabit(caller)) return EAGER;
    return caller.attended || caller.program?.kind === 'server' ? LATE : this.#bounded(caller);
  }

  /** Records that a process closed a file that it had read up to `position`. */
  closed(pid: number, position: number, size: number): void {
    if (position === 0 || size <= HEAD_BYTES) return;
    const caller = this.#caller(pid);
    if (caller === NOBODY) return;
    const isHead = position <= HEAD_BYTES && position < size / 2;
    if (!isHead) this.#habits.delete(caller.pid);
    else
      this.#habits.set(caller.pid, {
        heads: (this.#habit(caller)?.heads ?? 0) + 1,
        at: this.#clock.monotonic(),
      });
  }

  #hasHabit(caller: Caller): boolean {
    return (this.#habit(caller)?.heads ?? 0) >= HABIT;
  }

  #habit({ pid }: Caller): Habit | undefined {
    const habit = this.#habits.get(pid);
    return habit && this.#clock.monotonic() - habit.at < REMEMBERED ? habit : undefined;
  }

  #bounded(caller: Caller): Reading {
    return {
      ahead: 'never',
      spend: (bytes) => {
        if (bytes > 0 && !this.#budget.spend(bytes)) throw this.#refuse(caller);
      },
    };
  }

  #refuse({ comm, pid }: Caller): Failure {
    this.#refused++;
    const limit = `${Math.round(this.#budget.limit / 2 ** 20)} MiB`;
    const failure = new Failure('preview-budget', { by: comm, limit });
    this.#logged.run(comm, () => this.#log.warn({ pid }, failure.line));
    return failure;
  }

  #caller(pid: number): Caller {
    if (pid === 0) return NOBODY;
    const known = this.#callers.get(pid);
    if (known) return known;
    const caller = callerOf(pid) ?? NOBODY;
    this.#callers.set(pid, caller);
    return caller;
  }
}

/** Undefined if the process has ended, or is not visible from here (another PID namespace). */
function callerOf(pid: number): Caller | undefined {
  try {
    // A request contains the id of the thread that made it.
    const group = Number(/^Tgid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? pid);
    const stat = readFileSync(`/proc/${group}/stat`, 'utf8');
    const end = stat.lastIndexOf(')');
    const comm = stat.slice(stat.indexOf('(') + 1, end);
    // After the name: state, ppid, pgrp, session, tty_nr; see proc_pid_stat(5).
    const terminal = Number(stat.slice(end + 2).split(' ')[4]);
    const program = programOf(isHost(comm) ? hosted(group) : comm);
    return { pid: group, comm, program, attended: terminal !== 0 };
  } catch {
    return undefined;
  }
}

/** The program that a host process runs, from its first argument. */
const hosted = (pid: number): string => basename(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[1] ?? '');
