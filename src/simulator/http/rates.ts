import type { ServerClock } from '../clock.js';
import type { Switches } from '../switches.js';
import { RateWindow, type ServerWindow, type WindowUse } from './window.js';

interface Limits {
  readonly hourly: number;
  readonly spike: number;
  /** Length of the hourly window in seconds. */
  readonly hour: number;
  readonly spikeSeconds: number;
}

/** Both rate windows of each client id. Every call counts in both, even a refused one. */
export class Rates {
  readonly #clock: ServerClock;
  readonly #switches: Switches;
  readonly #limits: Limits;
  readonly #clients = new Map<string, { hour: RateWindow; spike: RateWindow }>();
  #hourly: number;

  constructor(clock: ServerClock, switches: Switches, limits: Limits) {
    this.#clock = clock;
    this.#switches = switches;
    this.#limits = limits;
    this.#hourly = limits.hourly;
    switches.watch(() => {
      for (const { hour, spike } of this.#clients.values()) {
        hour.kind = switches.get('hour-window');
        spike.kind = switches.get('spike-window');
      }
    });
  }

  /** Counts `calls` of a client; returns false if one of its limits was already reached. */
  take(client: string, calls = 1): boolean {
    const { hour, spike } = this.#of(client);
    const now = this.#clock.now();
    const inHour = hour.take(now, calls);
    return spike.take(now, calls) && inHour;
  }

  /** Counts calls in the hourly window only, like calls of another program of this client over a longer time. */
  spend(client: string, calls: number): void {
    this.#of(client).hour.take(this.#clock.now(), calls);
  }

  /** The window whose limit would be reached first. */
  nearest(client: string): ServerWindow {
    const { hour, spike } = this.states(client);
    if (spike.remaining !== hour.remaining) return spike.remaining < hour.remaining ? spike : hour;
    return spike.reset > hour.reset ? spike : hour;
  }

  states(client: string): { hour: ServerWindow; spike: ServerWindow } {
    const { hour, spike } = this.#of(client);
    const now = this.#clock.now();
    return { hour: hour.state(now), spike: spike.state(now) };
  }

  get hourly(): number {
    return this.#hourly;
  }

  /** Sets the hourly limit of all clients; without an argument, restores the configured limit. */
  setHourly(limit = this.#limits.hourly): void {
    this.#hourly = limit;
    for (const { hour } of this.#clients.values()) hour.limit = limit;
  }

  setSpike(limit: number): void {
    for (const { spike } of this.#clients.values()) spike.limit = limit;
  }

  uses(client: string): WindowUse[] {
    return this.#of(client).hour.uses(this.#clock.now());
  }

  forgetUses(): void {
    for (const { hour } of this.#clients.values()) hour.forgetUses();
  }

  #of(client: string): { hour: RateWindow; spike: RateWindow } {
    let windows = this.#clients.get(client);
    if (!windows) {
      const { hour, spike, spikeSeconds } = this.#limits;
      windows = {
        hour: new RateWindow(this.#switches.get('hour-window'), this.#hourly, hour * 1000),
        spike: new RateWindow(this.#switches.get('spike-window'), spike, spikeSeconds * 1000),
      };
      this.#clients.set(client, windows);
    }
    return windows;
  }
}
