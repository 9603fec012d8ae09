import { reasonOf } from './api.js';
import { failure, h, put } from './dom.js';

/** The context of one screen, valid until the next screen is shown. */
export interface Screen {
  /** The element in which the screen draws. */
  readonly main: HTMLElement;
  /** The path segments after the screen's name in the address. */
  readonly parts: readonly string[];
  /** The query parameters in the address. */
  readonly query: URLSearchParams;
  /** Aborted when another screen is shown. */
  readonly signal: AbortSignal;
}

export const titleOf = (text: string | Node): HTMLElement => h('h1', { tabindex: '-1' }, text);

/** Runs `act`; shows an error in `place`, and screen readers announce it. */
export async function attempt(place: HTMLElement, act: () => Promise<void>): Promise<void> {
  put(place);
  try {
    await act();
  } catch (error) {
    if ((error as Error).name !== 'AbortError') put(place, failure(reasonOf(error)));
  }
}

/** Waits; `ms` in milliseconds. */
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Returns a function that runs `act` once at a time, only while the page is visible; calls in between are merged. */
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
        // The page keeps its content; the next change runs `act` again.
      }
      isBusy = false;
    }
  };
  document.addEventListener('visibilitychange', () => isWanted && void run(), { signal });
  return () => void run();
}
