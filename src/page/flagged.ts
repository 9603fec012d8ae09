import { h, put } from './dom.js';
import { flaggedList } from './items.js';
import { followed } from './pages.js';
import { type Screen, titleOf } from './screen.js';
import { texts } from './texts.js';

/** The flagged items of all jobs. */
export async function flaggedScreen({ main, signal }: Screen): Promise<void> {
  const told = h('div', {});
  const paged = flaggedList(undefined, told, signal);
  put(main, titleOf(texts.flagged), told, paged.element);
  await followed(paged, signal);
}
