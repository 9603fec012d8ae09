import t from 'tap';
import { budgetRows } from '#src/cli/budget-rows.js';
import { columns } from '#src/cli/format.js';

const at = (seconds: number): string => new Date(seconds * 1000).toLocaleTimeString();

t.test('what is left in both windows and until when, who spent what, what waits', async (t) => {
  const text = columns(
    budgetRows({
      hour: { limit: 3600, remaining: 0, reset: 1_790_000_000 },
      spike: { limit: 25, remaining: 25, reset: undefined },
      spent: { interactive: 400, background: 1200, job: 2000 },
      refused4xx: 1,
      waiting: [
        { class: 'job', label: 'GET /rest/v1.0/files/1', seconds: 90 },
        { class: 'interactive', label: 'GET /rest/v1.0/folders/5', seconds: 3 },
        { class: 'interactive', label: 'GET /rest/v1.0/folders/7', seconds: 12 },
      ],
    }),
  );
  t.equal(
    text,
    [
      `hour     0 of 3600 calls left, reset ${at(1_790_000_000)}`,
      '10 s     25 of 25 calls left',
      'spent    interactive 400  background 1200  job 2000',
      'refused  1 call answered 4xx',
      'waiting  2 calls interactive, for 12 s GET /rest/v1.0/folders/7',
      '         1 call job, for 90 s GET /rest/v1.0/files/1',
    ].join('\n'),
  );
});

t.test('that nothing waits is said, too', async (t) => {
  const window = { limit: 600, remaining: 599, reset: 1_790_000_000 };
  const spent = { interactive: 1, background: 0, job: 0 };
  const rows = budgetRows({ hour: window, spike: window, spent, refused4xx: 0, waiting: [] });
  t.strictSame(rows.at(-1), ['waiting', 'no call']);
});
