import { reasonOf } from './api.js';
import { failure, h, put } from './dom.js';

/** One screen, from its address to the next one. */
export interface Screen {
  /** Where it draws. */
  readonly main: HTMLElement;
  /** What follows the screen's name in the address. */
  readonly parts: readonly string[];
  /** What follows the question mark in it. */
  readonly query: URLSearchParams;
  /** Ends when another screen is shown. */
  readonly signal: AbortSignal;
}

export const titleOf = (text: string | Node): HTMLElement => h('h1', { tabindex: '-1' }, text);

/** Does `act`; a failure is told in `place` and read out. */
export async function attempt(place: HTMLElement, act: () => Promise<void>): Promise<void> {
  put(place);
  try {
    await act();
  } catch (error) {
    if ((error as Error).name !== 'AbortError') put(place, failure(reasonOf(error)));
  }
}

/** Repeats until the screen ends; nothing is asked while nobody looks. `act` answers how long to wait, ms. */
export function repeat(signal: AbortSignal, act: () => Promise<number>): void {
  const round = async (): Promise<void> => {
    if (signal.aborted) return;
    let wait = 5000;
    try {
      if (!document.hidden) wait = await act();
    } catch {
      // What failed is tried again; the first try told why.
    }
    if (!signal.aborted) timer = setTimeout(() => void round(), wait);
  };
  let timer = setTimeout(() => void round(), 0);
  signal.addEventListener('abort', () => clearTimeout(timer));
}
