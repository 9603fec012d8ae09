import type { Scope } from './scope.js';

/** One line of the table at the end. `ok` is undefined where there is no goal: reported only. */
export interface Row {
  readonly what: string;
  readonly goal: string;
  readonly measured: string;
  readonly ok: boolean | undefined;
}

export interface Case {
  readonly name: string;
  /** Measures, tells what it does through `say`, and yields its rows. */
  run(scope: Scope, say: (line: string) => void): Promise<readonly Row[]>;
}

export const atLeast = (what: string, goal: number, ratio: number, detail = ''): Row => ({
  what,
  goal: `≥ ${goal} ×`,
  measured: `${ratio.toFixed(ratio < 10 ? 2 : 1)} ×${detail && ` (${detail})`}`,
  ok: ratio >= goal,
});

export const atMost = (what: string, goal: number, unit: string, value: number, detail = ''): Row => ({
  what,
  goal: `≤ ${goal} ${unit}`,
  measured: `${Number.isInteger(value) ? value : value.toFixed(1)} ${unit}${detail && ` (${detail})`}`,
  ok: value <= goal,
});

export const reported = (what: string, measured: string): Row => ({ what, goal: '', measured, ok: undefined });
