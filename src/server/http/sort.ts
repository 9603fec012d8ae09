import * as z from 'zod';

/** Sort keys of a list: a word, and a row's value for it. */
export type SortKeys<Row> = Readonly<Record<string, (row: Row) => string | number | undefined>>;

const collator = new Intl.Collator('en', { numeric: true });

/** `sort=name`; `sort=-name`: descending. */
export const sortWord = (keys: SortKeys<never>) =>
  z.preprocess(
    (value) => (Array.isArray(value) ? value.at(-1) : value),
    z.enum(Object.keys(keys).flatMap((key) => [key, `-${key}`])).optional(),
  );

/** Sorts rows by a key; rows without a value come last in both directions. */
export function sorted<Row>(rows: readonly Row[], word: string | undefined, keys: SortKeys<Row>): readonly Row[] {
  if (word === undefined) return rows;
  const isDown = word.startsWith('-');
  const of = keys[isDown ? word.slice(1) : word]!;
  return rows
    .map((row) => ({ row, value: of(row) }))
    .sort((a, b) => {
      if (a.value === undefined || b.value === undefined)
        return Number(a.value === undefined) - Number(b.value === undefined);
      const order =
        typeof a.value === 'number' && typeof b.value === 'number'
          ? a.value - b.value
          : collator.compare(String(a.value), String(b.value));
      return isDown ? -order : order;
    })
    .map(({ row }) => row);
}
