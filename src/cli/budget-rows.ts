import type { BudgetStatus, WindowStatus } from '../budget/budget.js';
import type { CallClass } from '../budget/calls.js';
import { plural } from './format.js';

/** The API calls in `status`, as rows of two columns: remaining calls and reset time, use, and waiting calls. */
export function budgetRows(budget: BudgetStatus): [string, string][] {
  const classes = Object.keys(budget.spent) as CallClass[];
  return [
    ['hour', windowText(budget.hour)],
    ['10 s', windowText(budget.spike)],
    ['spent', classes.map((who) => `${who} ${budget.spent[who]}`).join('  ')],
    ['refused', `${plural(budget.refused4xx, 'call')} answered 4xx`],
    ...waitingRows(classes, budget.waiting),
  ];
}

function windowText({ limit, remaining, reset }: WindowStatus): string {
  const until = reset === undefined ? '' : `, reset ${new Date(reset * 1000).toLocaleTimeString()}`;
  return `${remaining} of ${limit} calls left${until}`;
}

/** A row for each class with waiting calls: their number and the longest wait. */
function waitingRows(classes: readonly CallClass[], waiting: BudgetStatus['waiting']): [string, string][] {
  const rows = classes.flatMap((callClass) => {
    const those = waiting.filter((one) => one.class === callClass);
    const first = those.reduce((a, b) => (b.seconds > (a?.seconds ?? -1) ? b : a), those[0]);
    return first ? [`${plural(those.length, 'call')} ${callClass}, for ${first.seconds} s ${first.label}`] : [];
  });
  return (rows.length === 0 ? ['no call'] : rows).map((text, i) => [i === 0 ? 'waiting' : '', text]);
}
