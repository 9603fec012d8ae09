import { readFileSync } from 'node:fs';
import t from 'tap';
import { transferKeys } from '#src/jobs/definition/transfer-schema.js';
import { jobsPage } from '#src/jobs/jobs-page.js';

t.test('the page of jobs is what npm run docs writes, with every key', async (t) => {
  const page = jobsPage();
  t.equal(readFileSync(new URL('../../../native-notes/jobs.md', import.meta.url), 'utf8'), page);
  for (const key of transferKeys) t.match(page, new RegExp(`^\\| \`${key}\` \\|.*\\| \\w`, 'm'));
  t.notMatch(page, /undefined/);
});
