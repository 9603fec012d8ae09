/** Splits items into arrays of at most `most`. */
export function* stretches<T>(items: Iterable<T>, most: number): Generator<T[]> {
  let stretch: T[] = [];
  for (const item of items) {
    if (stretch.push(item) < most) continue;
    yield stretch;
    stretch = [];
  }
  if (stretch.length > 0) yield stretch;
}
