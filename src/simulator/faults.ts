import { Failure } from '../base/errors.js';
import type { Random } from './random.js';

export type FaultSide = 'api' | 'storage' | 'login';

interface FaultRow {
  /** The servers that the fault can hit. */
  readonly hits: readonly FaultSide[];
  readonly help: string;
}

/** All faults. Each is switched on separately, with a count or a probability. */
export const faultTable = {
  '429-hour': { hits: ['api'], help: 'the hour is spent: 429, `retry_after` seconds (1)' },
  '429-spike': { hits: ['api'], help: 'too many calls in 10 seconds: 429, `retry_after` seconds (1)' },
  '503-retry-after': { hits: ['api', 'storage'], help: 'overloaded: 503, `retry_after` seconds (1)' },
  '500-html': { hits: ['api'], help: 'an error of the server: 500 with a page in HTML' },
  '408': { hits: ['api'], help: 'the list took too long: 408' },
  'reset-before': { hits: ['api', 'storage', 'login'], help: 'the connection is reset, nothing was done' },
  'reset-after': { hits: ['api'], help: 'done, but the connection is reset before the reply' },
  late: {
    hits: ['api'],
    help: 'a change is answered with 504, and is done `ms` milliseconds later, or when the admin address is told (`POST /late`)',
  },
  'late-reset': { hits: ['api'], help: 'as `late`, with the connection reset instead of an answer' },
  slow: { hits: ['api', 'storage'], help: 'the reply comes `ms` milliseconds later (2,000)' },
  'truncated-body': { hits: ['api', 'storage'], help: 'the connection ends in the middle of the body' },
  'malformed-json': { hits: ['api'], help: 'a complete reply whose JSON breaks off' },
  'stale-index': { hits: ['api'], help: 'the index answers as it was `seconds` ago (5)' },
  'forbidden-folder': { hits: ['api'], help: 'a folder (`id`, or any) answers 403' },
  'limit-changes': { hits: ['api'], help: 'the hourly limit changes to `limit` (600), at the next hit back' },
  'clock-skew': { hits: ['api'], help: "while on, the server's clock is `seconds` (86,400) ahead" },
  'wrong-date': { hits: ['api'], help: 'the `Date` of the reply, and nothing else, is `seconds` (86,400) off' },
  'token-expired': { hits: ['api'], help: 'the access token expires early: 401' },
  'token-revoked': { hits: ['api'], help: 'access and refresh token are revoked: 401' },
  'login-unavailable': { hits: ['login'], help: 'the sign-in answers 503, `retry_after` seconds (1)' },
  'refresh-reply-lost': { hits: ['login'], help: 'a refresh is done, but its reply is lost' },
  'url-expired': { hits: ['storage'], help: 'the URL has expired early: 403' },
  'range-ignored': { hits: ['storage'], help: 'a Range is answered with 200 and the whole' },
  'wrong-size': { hits: ['storage'], help: 'the storage has `bytes` (1) fewer than the listing says' },
} as const satisfies Record<string, FaultRow>;

export type FaultName = keyof typeof faultTable;

/** Settings of a fault; absent keys take the default of the table. */
export interface FaultSetting {
  /** Probability for each request that it can hit, 0 to 1. */
  readonly probability: number;
  /** Remaining hits; absent: unlimited. */
  readonly count?: number;
  /** Limits the fault to these of its servers. */
  readonly on?: readonly FaultSide[];
  /** Limits the fault to requests whose route (`GET /rest/v1.0/folders/:id`) or path contains this text. */
  readonly route?: string;
  /** Number of matching requests that pass before the first hit. */
  readonly after?: number;
  readonly retry_after?: number;
  readonly ms?: number;
  readonly seconds?: number;
  readonly limit?: number;
  readonly bytes?: number;
  readonly id?: number;
}

const isFault = (name: string): name is FaultName => Object.hasOwn(faultTable, name);

/** The active faults; one seeded random sequence decides the hits. */
export class Faults {
  readonly #random: Random;
  readonly #settings = new Map<FaultName, FaultSetting>();
  readonly #hits = new Map<FaultName, number>();
  readonly #watchers: ((name: FaultName, setting: FaultSetting | undefined) => void)[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** Throws the failure `usage` for an unknown fault or an invalid value. */
  set(name: string, setting: Partial<FaultSetting> | number): void {
    if (!isFault(name)) throw new Failure('usage', { what: `there is no fault "${name}"` });
    const given: Partial<FaultSetting> = typeof setting === 'number' ? { probability: setting } : setting;
    const probability = given.probability ?? 1;
    if (!(probability >= 0 && probability <= 1)) {
      throw new Failure('usage', { what: `the probability of "${name}" is between 0 and 1, not ${probability}` });
    }
    const next = probability === 0 || given.count === 0 ? undefined : { ...given, probability };
    if (next) this.#settings.set(name, next);
    else this.#settings.delete(name);
    for (const watcher of this.#watchers) watcher(name, next);
  }

  clear(): void {
    for (const name of [...this.#settings.keys()]) this.set(name, 0);
  }

  watch(changed: (name: FaultName, setting: FaultSetting | undefined) => void): void {
    this.#watchers.push(changed);
  }

  /** The setting if the fault hits this request, else undefined. */
  hit(name: FaultName, side: FaultSide, route: string): FaultSetting | undefined {
    const setting = this.#settings.get(name);
    if (!setting || !(setting.on ?? faultTable[name].hits).includes(side)) return undefined;
    if (setting.route !== undefined && !route.includes(setting.route)) return undefined;
    if (setting.after) {
      this.#settings.set(name, { ...setting, after: setting.after - 1 });
      return undefined;
    }
    if (setting.probability < 1 && this.#random.next() >= setting.probability) return undefined;
    this.#hits.set(name, (this.#hits.get(name) ?? 0) + 1);
    if (setting.count !== undefined) {
      if (setting.count > 1) this.#settings.set(name, { ...setting, count: setting.count - 1 });
      else this.#settings.delete(name);
    }
    return setting;
  }

  /** The active faults with their settings and number of hits. */
  all(): Record<string, FaultSetting & { hits: number }> {
    const names = new Set([...this.#settings.keys(), ...this.#hits.keys()]);
    return Object.fromEntries(
      [...names].map((name) => [
        name,
        { ...(this.#settings.get(name) ?? { probability: 0 }), hits: this.#hits.get(name) ?? 0 },
      ]),
    );
  }
}
