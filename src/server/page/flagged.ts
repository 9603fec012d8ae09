import { h, put } from './dom.js';
import { flaggedList } from './items.js';
import { follow } from './live.js';
import { oneAtATime, type Screen, titleOf } from './screen.js';
import { texts } from './texts.js';

/** Flagged items of every job. */
export async function flaggedScreen({ main, signal }: Screen): Promise<void> {
  const told = h('div', {});
  const paged = flaggedList(undefined, told, signal);
  put(main, titleOf(texts.flagged), told, paged.element);
  await paged.load();
  void follow(
    'jobs',
    signal,
    oneAtATime(signal, () => paged.load(true)),
  );
}
