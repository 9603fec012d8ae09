import type { DrainProgress } from '../daemon/draining.js';
import { bytes, plural } from './format.js';

/** Interval between two lines in milliseconds where a line cannot be overwritten. */
const LINE_EVERY_MS = 10_000;

/** Shows the progress of a drain on standard error; on a terminal, in one line that is overwritten. */
export class DrainProgressLine {
  readonly #isTerminal = process.stderr.isTTY === true;
  readonly #latest = new Map<unknown, DrainProgress>();
  #shownAt = performance.now();
  #isShown = false;

  /** Returns the receiver for the progress reports of one daemon. */
  of(daemon: unknown): (progress: unknown) => void {
    return (progress) => {
      this.#latest.set(daemon, progress as DrainProgress);
      this.#show();
    };
  }

  end(): void {
    if (this.#isShown && this.#isTerminal) process.stderr.write('\r\x1b[K');
  }

  #show(): void {
    if (!this.#isTerminal && performance.now() - this.#shownAt < LINE_EVERY_MS) return;
    this.#shownAt = performance.now();
    this.#isShown = true;
    const line = progressLine([...this.#latest.values()]);
    process.stderr.write(this.#isTerminal ? `\r${line}\x1b[K` : `procorefs: ${line}\n`);
  }
}

/** `12 changes left (3.1 MiB), 40 done, 0.8 a second, 85 calls` */
export function progressLine(all: readonly DrainProgress[]): string {
  const sum = (key: keyof DrainProgress): number => all.reduce((total, one) => total + one[key], 0);
  const seconds = Math.max(1, ...all.map((one) => one.seconds));
  const left = Math.max(0, sum('bytes') - sum('sent'));
  const size = left > 0 ? ` (${bytes(left)})` : '';
  const rate = (sum('done') / seconds).toFixed(1);
  return `${plural(sum('left'), 'change')} left${size}, ${sum('done')} done, ${rate} a second, ${plural(sum('calls'), 'call')}`;
}
