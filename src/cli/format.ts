import { oneLine } from '../base/text.js';

/** Rows as aligned columns, safe for a terminal. */
export function columns(rows: readonly (readonly string[])[], gap = '  '): string {
  const safe = rows.map((row) => row.map((cell) => oneLine(cell, 300)));
  const widths: number[] = [];
  for (const row of safe)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  return safe
    .map((row) =>
      row
        .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!)))
        .join(gap)
        .trimEnd(),
    )
    .join('\n');
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `1536` → `1.5 KiB` */
export function bytes(count: number): string {
  const power = count < 1 ? 0 : Math.min(Math.floor(Math.log2(count) / 10), UNITS.length - 1);
  const value = count / 2 ** (10 * power);
  return `${power === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${UNITS[power]}`;
}

export const plural = (count: number, word: string, many = `${word}s`): string =>
  `${count.toLocaleString('en-US')} ${count === 1 ? word : many}`;
