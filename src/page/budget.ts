import type { Row } from './api.js';
import { type Child, facts, grid, h, put, remote } from './dom.js';
import { timeOf } from './format.js';
import { follow } from './live.js';
import { type Screen, titleOf } from './screen.js';
import { texts } from './texts.js';

/** Shows the remaining API calls, their use and the waiting calls; updates itself. */
export function budgetScreen({ main, signal }: Screen): void {
  const body = h('div', {}, h('p', { role: 'status' }, texts.loading));
  put(main, titleOf(texts.budget), body);
  void follow('budget', signal, (rows: readonly Row[]) => {
    if (rows.length === 0) put(body, h('p', {}, texts.noBudget));
    else put(body, ...rows.map(one));
  });
}

const window = (label: string, { limit, remaining, reset }: Row): Child =>
  h(
    'p',
    {},
    h('span', {}, texts.windowOf(label, limit - remaining, limit), ' '),
    reset > Date.now() / 1000 ? h('span', { class: 'help' }, texts.windowUntil(timeOf(reset)), ' ') : null,
    h('progress', { max: limit, value: limit - remaining, 'aria-label': label }),
  );

const spent = (row: Row): Child[] => [row.interactive, row.background, row.job];

function one(row: Row): HTMLElement {
  return h(
    'section',
    {},
    h('h2', {}, remote(row.connection.name)),
    window(texts.hourWindow, row.hour),
    window(texts.spikeWindow, row.spike),
    facts([
      [texts.interactive, row.spent.interactive],
      [texts.background, row.spent.background],
      [texts.jobs, row.spent.job],
      [texts.refused, row.refused4xx],
    ]),
    ...table(
      texts.waiting,
      texts.nothingWaits,
      [texts.item, texts.callClass, texts.place, texts.seconds],
      row.waiting.map((own: Row) => [remote(own.label), own.class, remote(own.where), Math.ceil(own.seconds)]),
    ),
    ...table(
      texts.lastDay,
      texts.noCalls,
      [texts.when, texts.interactive, texts.background, texts.jobs],
      [...row.last_24h].reverse().map((own: Row) => [timeOf(own.at), ...spent(own)]),
    ),
  );
}

const table = (caption: string, none: string, heads: readonly string[], rows: readonly Child[][]): Child[] => [
  h('h3', {}, caption),
  rows.length === 0 ? h('p', {}, none) : grid(caption, heads, rows),
];
