import type { OptionValues } from '../base/options.js';

/** When and how changes go up, as the options of a mount say. */
export interface SendingRules {
  /** Delay before a change is sent, milliseconds. */
  readonly settle: number;
  readonly deleteDelay: number;
  /** Deletions and overwrites within ten minutes above which the outbox holds them. */
  readonly holdAfter: number;
}

export const sendingRules = (options: OptionValues): SendingRules => ({
  settle: Number(options.settle) * 1000,
  deleteDelay: Number(options.delete_delay) * 1000,
  holdAfter: Number(options.hold_after),
});
