import t from 'tap';
import { outboxFindings } from '#src/daemon/health/outbox-findings.js';
import type { UploadLine } from '#src/outbox/uploads-view.js';

t.test('a user who may not see every item is told of changes without their names', (t) => {
  const line = (needs?: 'person' | 'permission'): UploadLine =>
    ({
      path: 'Secret/salaries.xlsx',
      needs,
      state: needs ? 'failed' : 'late',
      what: 'new version',
      reason: 'why',
      since: new Date(0).toISOString(),
    }) as never;
  const found = outboxFindings('/mnt', [line('person'), line('permission'), line()], 0);
  t.strictSame(
    found.map(({ kind }) => kind),
    ['needs-person', 'refused', 'late'],
  );
  for (const { message, unnamed } of found) {
    t.match(message, /Secret/);
    t.match(unnamed, /^\/mnt: .*1 (change|call)/);
    t.notMatch(unnamed, /Secret/);
  }
  t.end();
});
