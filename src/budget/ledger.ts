import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '../base/clock.js';
import { onDisk } from '../base/disk.js';
import { errnoOf, Failure } from '../base/errors.js';
import { type Database, openDatabase, type Statement } from '../database/open.js';
import type { CallClass } from './calls.js';
import type { RateHeaders } from './headers.js';
import { type CallDecision, decideCall, type Facts, hourLimitOf, type Limits, reserveOf } from './rules.js';
import { afterBoot, type BootClock, type ClockState, initialClock, sync } from './server-clock.js';
import { afterClockSet, initialState, learn, type WindowState } from './window-state.js';

const MIGRATIONS = [
  `CREATE TABLE processes (id INTEGER PRIMARY KEY AUTOINCREMENT, pid INTEGER NOT NULL, started TEXT NOT NULL) STRICT;
   CREATE TABLE calls (
     id INTEGER PRIMARY KEY,   -- numbered without gaps, in the order of granting
     at REAL NOT NULL,         -- ms since the epoch, server time
     process INTEGER NOT NULL,
     class INTEGER NOT NULL,   -- index into CLASSES, or UPKEEP
     ended INTEGER,            -- id of the last call granted when this reply came; null: no reply yet
     status INTEGER            -- null: no reply came
   ) STRICT;
   CREATE INDEX calls_at ON calls (at);
   CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), windows TEXT NOT NULL, clock TEXT NOT NULL, boot_first INTEGER NOT NULL) STRICT;
   INSERT INTO state VALUES (1, '{}', '{}', 1);`,
  // Calls granted in each quarter of an hour, kept longer than the rows of `calls`.
  `CREATE TABLE slots (
     slot INTEGER NOT NULL,    -- ms since the epoch / SLOT, server time
     class INTEGER NOT NULL,   -- as in calls
     calls INTEGER NOT NULL,
     PRIMARY KEY (slot, class)
   ) STRICT, WITHOUT ROWID;`,
];

/** Length of a slot, ms, and number of slots kept: two days. */
const SLOT_MS = 900_000;
const KEPT_SLOTS = 192;

export const CLASSES: readonly CallClass[] = ['interactive', 'background', 'job'];
/** Calls of the class `background` that check for changes. */
const UPKEEP = CLASSES.length;

/** A call older than this counts as answered, ms: no caller waits for a reply that long. */
const LONGEST_CALL_MS = 180_000;

export interface LedgerOptions {
  readonly path: string;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly boot: BootClock;
  /** Whether the process that wrote the row (pid, start time) still runs. */
  readonly isAlive: (pid: number, started: string) => boolean;
}

/** One granted call. */
export interface GrantedCall {
  readonly id: number;
  /** Ms since boot. */
  readonly sentAt: number;
}

export interface LedgerStatus {
  readonly now: number;
  readonly state: WindowState;
  readonly facts: Facts;
  readonly spent: Readonly<Record<CallClass, number>>;
  readonly refused4xx: number;
}

export type CallsOfSlot = { readonly at: number } & Readonly<Record<CallClass, number>>;

interface StateRow {
  readonly windows: string;
  readonly clock: string;
  readonly boot_first: number;
}

/** Path of the budget database of a client id on this host, inside the state folder. */
export function ledgerPath(stateFolder: string, clientId: string, apiUrl: string): string {
  const key = createHash('sha256')
    .update(`${clientId}\n${new URL(apiUrl).host}`)
    .digest('hex')
    .slice(0, 16);
  return join(stateFolder, 'budget', `${key}.db`);
}

/** `<start time of this process>` as in /proc/<pid>/stat (proc(5), field 22), or '' where there is no /proc. */
export function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

export function isAlive(pid: number, started: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
  }
  const now = startTime(pid);
  return now === '' || now === started;
}

/**
 * The calls of one client id, shared by all its processes on this host. Each call is recorded before it is sent, so
 * that a crash cannot lose it from the budget. Every method is one short transaction.
 */
export class Ledger {
  readonly #db: Database;
  readonly #inTransaction: ReturnType<Database['transaction']>;
  readonly #options: LedgerOptions;
  readonly #process: number;
  readonly #margins: { readonly hour: number; readonly spike: number };
  #statements: ReturnType<typeof prepare>;
  #reapedAt = Number.NEGATIVE_INFINITY;

  /** @throws Failure `state-unwritable`, `database-damaged`, `database-newer` */
  constructor(options: LedgerOptions) {
    this.#options = options;
    const { hour, spike } = options.limits.windows;
    this.#margins = { hour: hour + Math.min(2000, hour / 50), spike: spike * 1.1 };
    try {
      mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new Failure('state-unwritable', { path: dirname(options.path) }, error);
    }
    this.#db = openDatabase(options.path, {
      migrations: MIGRATIONS,
      synchronous: 'NORMAL',
      damagedHint: `remove ${options.path}: the budget is learned anew`,
      cacheKiB: 1024,
    });
    this.#statements = prepare(this.#db);
    this.#inTransaction = this.#db.transaction((work: () => unknown) => work());
    const { lastInsertRowid } = this.#db
      .prepare('INSERT INTO processes (pid, started) VALUES (?, ?)')
      .run(process.pid, startTime(process.pid));
    this.#process = Number(lastInsertRowid);
  }

  /** Grants a call and records it, or returns why no call may be sent now. */
  take(callClass: CallClass, isUpkeep: boolean): GrantedCall | Exclude<CallDecision, { go: true }> {
    return this.#write(() => {
      const { facts, clock } = this.#facts();
      const decision = decideCall(facts, callClass, this.#options.limits);
      if (!decision.go) return decision;
      const id = facts.lastCall + 1;
      const index = isUpkeep ? UPKEEP : CLASSES.indexOf(callClass);
      const slot = Math.floor(facts.now / SLOT_MS);
      this.#statements.insert.run(id, facts.now, this.#process, index);
      this.#statements.countSlot.run(slot, index);
      if (id % 500 === 0) this.#statements.pruneSlots.run(slot - KEPT_SLOTS);
      if (id % 500 === 0) this.#statements.prune.run(id - 12_000, facts.now - 2 * this.#margins.hour);
      return { id, sentAt: facts.now - clock.offset };
    });
  }

  /** Calls granted in each quarter of an hour since `since`, oldest first; ms since the epoch, server time. */
  history(since: number): CallsOfSlot[] {
    const slots = new Map<number, CallsOfSlot>();
    for (const { slot, class: index, calls } of this.#statements.slots.all(Math.floor(since / SLOT_MS))) {
      const at = slots.get(slot) ?? { at: slot * SLOT_MS, interactive: 0, background: 0, job: 0 };
      const name = CLASSES[index] ?? 'background';
      slots.set(slot, { ...at, [name]: at[name] + calls });
    }
    return [...slots.values()];
  }

  /** The decision that `take` would make, and the server's time in ms. */
  peek(callClass: CallClass): { readonly decision: CallDecision; readonly now: number } {
    return this.#write(() => {
      const { facts } = this.#facts();
      return { decision: decideCall(facts, callClass, this.#options.limits), now: facts.now };
    });
  }

  /** The head of the reply has arrived. */
  answered(entry: GrantedCall, status: number, headers: RateHeaders): void {
    const received = this.#options.boot.now();
    this.#write(() => {
      const { statements, clockBefore } = this.#begin();
      const last = statements.last.get() ?? entry.id;
      const wall = this.#options.clock.now();
      const clock =
        headers.date === undefined ? clockBefore : sync(clockBefore, headers.date, entry.sentAt, received, wall);
      const shift = clock.offset - clockBefore.offset;
      const isSet = Math.abs(shift) > 2500;
      if (isSet) statements.shift.run(shift, statements.state.get()?.boot_first ?? 0);
      // By another clock a window's reset does not tell which window it is.
      const isSuspect = clock !== clockBefore && clock.suspect !== undefined;
      const now = received + clock.offset;
      statements.end.run(last, status, entry.id);
      const before = isSet ? afterClockSet(this.#windows(), shift) : this.#windows();
      const windows = learn(
        before,
        {
          call: entry.id,
          status,
          headers: isSuspect ? { ...headers, window: undefined } : headers,
          now,
          lastCall: last,
          uncertain: statements.uncertain.get(entry.id, entry.id, now - LONGEST_CALL_MS) ?? 0,
          ownHour: last - (statements.lastBefore.get(now - this.#margins.hour) ?? this.#firstId() - 1),
          ownSpike: last - (statements.lastBefore.get(now - this.#margins.spike) ?? this.#firstId() - 1),
          ownWindow:
            last -
            (statements.lastBefore.get(Math.max(now - this.#margins.hour, before.hourBegan)) ?? this.#firstId() - 1),
          leftSinceObserved: this.#leftSince(before, now),
          random: Math.random(),
        },
        this.#options.limits.windows,
      );
      statements.save.run(JSON.stringify(windows), JSON.stringify(clock));
    });
  }

  /** No reply arrived, or none is expected any more. */
  ended(entry: GrantedCall): void {
    this.#write(() => this.#statements.end.run(this.#statements.last.get() ?? entry.id, null, entry.id));
  }

  status(): LedgerStatus {
    return this.#write(() => {
      const { facts } = this.#facts();
      const since = facts.now - this.#options.limits.windows.hour;
      const spent: Record<CallClass, number> = { interactive: 0, background: 0, job: 0 };
      for (const row of this.#statements.spent.all(since)) spent[CLASSES[row.class] ?? 'background'] += row.calls;
      return { now: facts.now, state: facts.state, facts, spent, refused4xx: this.#statements.refused.get(since) ?? 0 };
    });
  }

  facts(): Facts {
    return this.#write(() => this.#facts().facts);
  }

  /** Times of the upkeep calls granted within the last `window` ms, oldest first, and the current time; server time. */
  upkeep(window: number): { readonly now: number; readonly times: readonly number[] } {
    return this.#write(() => {
      const { now } = this.#facts().facts;
      return { now, times: this.#statements.upkeep.all(now - window) };
    });
  }

  /** Calls an hour that the server permits, as far as is known. */
  get limit(): number {
    return hourLimitOf(this.#options.limits, this.#windows());
  }

  get spikeLimit(): number {
    return this.#windows().spikeLimit;
  }

  /** This process's calls in the guarded spike window; needed to rebuild a throttle. */
  recentOwn(): number {
    return this.#write(() => this.#facts().facts.spikeOwn);
  }

  close(): void {
    this.#db.close();
  }

  #write<T>(work: () => T): T {
    return onDisk(() => this.#inTransaction.immediate(work) as T);
  }

  #windows(row = this.#statements.state.get()): WindowState {
    return { ...initialState, ...(JSON.parse(row?.windows ?? '{}') as Partial<WindowState>) };
  }

  /** Reads the clock for this boot; the first call after a reboot starts a new boot. */
  #begin() {
    const statements = this.#statements;
    const row = statements.state.get();
    const stored = { ...initialClock, ...(JSON.parse(row?.clock ?? '{}') as Partial<ClockState>) };
    const clockBefore = afterBoot(stored, this.#options.boot, this.#options.clock.now());
    if (clockBefore !== stored) statements.boot.run(JSON.stringify(clockBefore), (statements.last.get() ?? 0) + 1);
    return { statements, clockBefore, row };
  }

  #firstId(): number {
    return this.#statements.first.get() ?? 1;
  }

  #facts(): { facts: Facts; clock: ClockState } {
    const { statements, clockBefore: clock, row } = this.#begin();
    this.#reap();
    const { limits, boot } = this.#options;
    const { hour, spike } = this.#margins;
    const state = this.#windows(row);
    const last = statements.last.get() ?? 0;
    const first = this.#firstId();
    const latest = statements.at.get(last) ?? 0;
    // Calls are dated in ascending order; a small clock correction must not break that.
    const now = Math.max(boot.now() + clock.offset, Math.min(latest, boot.now() + clock.offset + 1500));
    const before = (time: number): number => statements.lastBefore.get(time) ?? first - 1;
    const atOf = (id: number): number | undefined => (id >= first && id <= last ? statements.at.get(id) : undefined);

    const hourStart = before(now - hour);
    const capCall = atOf(last - limits.cap + 1);
    const reserve = reserveOf(limits, state);
    const reserveCall = atOf(hourStart + reserve);
    const returningCall = atOf(hourStart + Math.ceil(reserve / 8));
    const oldest = atOf(hourStart + 1);
    const recent = statements.recent.all(now - spike);
    const own = recent.filter((call) => call.process === this.#process).length;
    return {
      clock,
      facts: {
        now,
        state,
        lastCall: last,
        underWay: statements.underWay.get(now - LONGEST_CALL_MS) ?? 0,
        ownHour: last - hourStart,
        ownWindow: last - Math.max(hourStart, before(state.hourBegan)),
        capFreeAt: capCall === undefined ? undefined : capCall + hour,
        reserveFreeAt: reserveCall === undefined ? undefined : reserveCall + hour,
        returnsAt: returningCall === undefined ? undefined : returningCall + hour,
        oldestLeavesAt: oldest === undefined ? undefined : oldest + hour,
        leftSinceObserved: this.#leftSince(state, now),
        spikeOwn: own,
        spikeOthers: recent.length - own,
        spikeUnattended: recent.filter((call) => call.class > 0).length,
        spikeFreeAt: recent[0] === undefined ? now : recent[0].at + spike,
      },
    };
  }

  #leftSince(state: WindowState, now: number): number {
    const { lastBefore } = this.#statements;
    const before = (time: number): number => lastBefore.get(time) ?? this.#firstId() - 1;
    return Math.max(0, before(now - this.#margins.hour) - before(state.observedAt - this.#margins.hour));
  }

  /** Ends the calls of processes that no longer run: their requests have arrived by now, or never will. */
  #reap(): void {
    const now = this.#options.boot.now();
    if (now - this.#reapedAt < 1000) return;
    this.#reapedAt = now;
    for (const { id, pid, started } of this.#statements.others.all(this.#process)) {
      if (this.#options.isAlive(pid, started)) continue;
      this.#statements.endAll.run(this.#statements.last.get() ?? 0, id);
      this.#statements.forget.run(id);
    }
  }
}

const prepare = (db: Database) => ({
  state: db.prepare('SELECT windows, clock, boot_first FROM state') as Statement<[], StateRow>,
  save: db.prepare('UPDATE state SET windows = ?, clock = ?'),
  boot: db.prepare('UPDATE state SET clock = ?, boot_first = ?'),
  first: db.prepare('SELECT min(id) FROM calls').pluck() as Statement<[], number | null>,
  last: db.prepare('SELECT max(id) FROM calls').pluck() as Statement<[], number | null>,
  at: db.prepare('SELECT at FROM calls WHERE id = ?').pluck() as Statement<[number], number>,
  lastBefore: db.prepare('SELECT id FROM calls WHERE at <= ? ORDER BY at DESC, id DESC LIMIT 1').pluck() as Statement<
    [number],
    number
  >,
  recent: db.prepare('SELECT at, process, class FROM calls WHERE at > ? ORDER BY at') as Statement<
    [number],
    { at: number; process: number; class: number }
  >,
  underWay: db.prepare('SELECT count(*) FROM calls WHERE at > ? AND ended IS NULL').pluck() as Statement<
    [number],
    number
  >,
  uncertain: db
    .prepare('SELECT count(*) FROM calls WHERE id <> ? AND (ended IS NULL OR ended >= ?) AND at > ?')
    .pluck() as Statement<[number, number, number], number>,
  insert: db.prepare('INSERT INTO calls (id, at, process, class) VALUES (?, ?, ?, ?)'),
  end: db.prepare('UPDATE calls SET ended = coalesce(ended, ?), status = coalesce(status, ?) WHERE id = ?'),
  endAll: db.prepare('UPDATE calls SET ended = ? WHERE process = ? AND ended IS NULL'),
  shift: db.prepare('UPDATE calls SET at = at + ? WHERE id >= ?'),
  prune: db.prepare('DELETE FROM calls WHERE id < ? AND at < ?'),
  countSlot: db.prepare(
    'INSERT INTO slots (slot, class, calls) VALUES (?, ?, 1) ON CONFLICT (slot, class) DO UPDATE SET calls = calls + 1',
  ),
  pruneSlots: db.prepare('DELETE FROM slots WHERE slot < ?'),
  slots: db.prepare('SELECT slot, class, calls FROM slots WHERE slot >= ? ORDER BY slot') as Statement<
    [number],
    { slot: number; class: number; calls: number }
  >,
  others: db.prepare('SELECT id, pid, started FROM processes WHERE id <> ?') as Statement<
    [number],
    { id: number; pid: number; started: string }
  >,
  forget: db.prepare('DELETE FROM processes WHERE id = ?'),
  spent: db.prepare('SELECT class, count(*) AS calls FROM calls WHERE at > ? GROUP BY class') as Statement<
    [number],
    { class: number; calls: number }
  >,
  upkeep: db.prepare(`SELECT at FROM calls WHERE at > ? AND class = ${UPKEEP} ORDER BY at`).pluck() as Statement<
    [number],
    number
  >,
  refused: db.prepare('SELECT count(*) FROM calls WHERE at > ? AND status BETWEEN 400 AND 499').pluck() as Statement<
    [number],
    number
  >,
});
