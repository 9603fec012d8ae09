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

/** Milliseconds. */
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Does no two at once, and none while nobody looks; what is asked for meanwhile is done once, afterwards. */
export function oneAtATime(signal: AbortSignal, act: () => Promise<void>): () => void {
  let isBusy = false;
  let isWanted = false;
  const run = async (): Promise<void> => {
    isWanted = true;
    while (isWanted && !isBusy && !document.hidden && !signal.aborted) {
      isBusy = true;
      isWanted = false;
      try {
        await act();
      } catch {
        // What is shown stays; the next change asks again.
      }
      isBusy = false;
    }
  };
  document.addEventListener('visibilitychange', () => isWanted && void run(), { signal });
  return () => void run();
}
