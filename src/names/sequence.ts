/**
 * Whether the parts of a pattern match all items: a star takes as few items as possible, and one more when the rest
 * does not match. The time is at most proportional to items × parts; a regular expression with several stars can
 * backtrack far more, and untrusted names could block the whole program.
 */
export function matchSequence<Item>(
  count: number,
  isStar: (index: number) => boolean,
  fits: (index: number, item: Item) => boolean,
  items: readonly Item[],
): boolean {
  let [at, item] = [0, 0];
  let [star, resume] = [-1, 0];
  while (item < items.length) {
    if (at < count && isStar(at)) [star, resume] = [at++, item];
    else if (at < count && fits(at, items[item]!)) [at, item] = [at + 1, item + 1];
    else if (star >= 0) [at, item] = [star + 1, ++resume];
    else return false;
  }
  while (at < count && isStar(at)) at++;
  return at === count;
}
