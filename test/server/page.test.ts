import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { noBrowser } from '../support/browser.js';
import { Person } from '../support/page.js';
import { HOSTILE, openPage, PASSWORD } from '../support/page-service.js';
import { until } from '../support/processes.js';

/** As a person sees it. */
const SHOWN = HOSTILE.replace('\u202e', '\\u{202e}');

t.test('the way of a person through the page', { skip: noBrowser ?? false }, async (t) => {
  const all = await openPage(t);
  const { person, context, errors, service, admin, ready, host, project, installation, folder } = all;
  const { page, modal } = person;
  const { api } = all;
  /** Each begins where the one before ended. */
  const step = (name: string, work: (t: Test) => Promise<void>) =>
    t.test(name, { skip: t.passing() ? false : 'an earlier step failed' }, work);
  const cell = (name: string) => page.getByRole('cell', { name, exact: true });

  await step('the first load is small; who signs in wrongly is told so', async (t) => {
    let bytes = 0;
    const counted: Promise<void>[] = [];
    const count = (response: { request(): { sizes(): Promise<{ responseBodySize: number }> } }): void => {
      const sizes = response.request().sizes();
      counted.push(sizes.then(({ responseBodySize }) => void (bytes += responseBodySize)));
    };
    page.on('response', count);
    await page.goto(service.http);
    await page.getByLabel('User name').waitFor();
    await Promise.all(counted);
    page.off('response', count);
    t.ok(bytes > 1000 && bytes <= 150_000, `${bytes} bytes`);
    await person.look(t, 'sign-in');
    await person.signIn('ann', 'wrong');
    await page.getByRole('alert').waitFor();
    t.equal(await page.getByLabel('User name').inputValue(), 'ann', 'what was typed stays');
    await person.signIn('ann', PASSWORD);
    await person.title('Connections');
    await person.look(t, 'connections-empty');
    await page.keyboard.press('Tab');
    await page.getByRole('link', { name: 'Skip to the content' }).press('Enter');
    t.equal(await page.evaluate('document.activeElement.tagName'), 'H1', 'the keyboard skips the menu');
  });

  const signIn = async (outcome: RegExp): Promise<void> => {
    const opened = context.waitForEvent('page');
    await person.button('Sign in with Procore').click();
    const popup = await opened;
    const allow = popup.getByRole('button', { name: 'Allow' });
    // Until then it is on its way from an empty page, of which the browser takes no picture.
    await allow.waitFor();
    await popup.screenshot({ path: join(all.pictures, 'procore-sign-in.png') });
    await allow.click();
    await modal.getByText(outcome).waitFor();
    await popup.close();
  };

  await step('a Procore connection: a test that fails keeps everything, the next one succeeds', async (t) => {
    await person.button('Add connection').click();
    await modal.getByLabel('Platform API credentials').selectOption('default');
    for (const name of ['Domain', 'Client ID', 'Client Secret'])
      t.notOk(await modal.getByLabel(name).isVisible(), `${name} is for an app of one's own`);
    await person.look(t, 'add-procore-default');
    await modal.getByLabel('Platform API credentials').selectOption('custom');
    await modal.getByLabel('Display as').fill('Head office');
    await modal.getByLabel('Domain').fill(host);
    await modal.getByLabel('Client ID').fill(ready.client_id);
    await modal.getByLabel('Client Secret').fill('wrong');
    await person.look(t, 'add-procore');
    await signIn(/Connection test failed/);
    await person.look(t, 'test-failed');
    t.equal(await modal.getByLabel('Display as').inputValue(), 'Head office', 'the fields stay');
    t.ok(await person.button('Done').isDisabled());
    t.ok(await person.button('Sign in with Procore').isEnabled());
    await modal.getByLabel('Client Secret').fill(ready.client_secret);
    await signIn(/Connection test succeeded/);
    await person.look(t, 'test-succeeded');
    await person.button('Done').click();
    await cell('Head office').waitFor();
    t.equal(await page.evaluate('document.activeElement.textContent'), 'Add connection', 'the focus is back');
  });

  await step('a target; connections are sorted, narrowed, and changed', async (t) => {
    await person.button('Add connection').click();
    await modal.getByLabel('Platform', { exact: true }).selectOption('fs');
    await modal.getByLabel('Folder').fill('/none/such');
    await modal.getByLabel('Display as').fill('<script>archive');
    await person.button('Test connection').click();
    await modal.getByText('Connection test failed').waitFor();
    await modal.getByLabel('Folder').fill(folder);
    await person.button('Test connection').click();
    await modal.getByText('Connection test succeeded').waitFor();
    await page.keyboard.press('Escape');
    await cell('<script>archive').waitFor();
    await person.look(t, 'connections');
    const names = () => person.column('Connections', 1);
    await person.button('Name').click();
    await page.getByRole('columnheader', { name: 'Name' }).and(page.locator('[aria-sort=ascending]')).waitFor();
    t.strictSame(await names(), ['<script>archive', 'Head office']);
    await person.button('Name').click();
    await page.locator('[aria-sort=descending]').waitFor();
    await until(async () => (await names())[0] === 'Head office');
    await person.button('Edit: <script>archive').click();
    await modal.getByLabel('Folder').fill('/none/such');
    await person.button('Save').click();
    await modal.getByRole('alert').waitFor();
    await person.look(t, 'change-connection');
    await modal.getByLabel('Folder').fill(folder);
    await modal.getByLabel('Display as').fill('<script>files');
    await person.button('Save').click();
    await cell('<script>files').waitFor();
    await person.button('Disable: <script>files').click();
    await person.row('<script>files').filter({ hasText: 'no job runs' }).waitFor();
    await person.button('Enable: <script>files').click();
    await person.row('<script>files').filter({ hasText: 'no job runs' }).waitFor({ state: 'detached' });
    await page.getByLabel('Search').fill('head');
    await cell('<script>files').waitFor({ state: 'detached' });
  });

  await step('who cannot be sent back signs in by a code', async (t) => {
    let opened = context.waitForEvent('page');
    await person.button('Sign in again: Head office').click();
    await (await opened).close();
    opened = context.waitForEvent('page');
    await person.button(/Sign in with a code/).click();
    const popup = await opened;
    await popup.getByRole('button', { name: 'Allow' }).click();
    const code = (await popup.locator('#authorization_code').textContent())!;
    await popup.close();
    await person.look(t, 'sign-in-by-code');
    await modal.getByLabel('Code').fill(code);
    await page.keyboard.press('Enter');
    await modal.getByText('Connection test succeeded').waitFor();
    await person.button('Done').click();
  });
  const mnt = installation.mountpoint();
  const file = (name: string) => person.row(name).first();
  await step('the project browser: tree, versions, state, pins, and what waits to go up', async (t) => {
    await person.menu('Projects');
    await page.getByText('Nothing is mounted').waitFor();
    await admin.change({ op: 'create', type: 'folder', path: 'Plans' });
    await admin.change({ op: 'create', path: `Plans/${HOSTILE}`, content: 'first' });
    await admin.change({ op: 'update', path: `Plans/${HOSTILE}`, content: 'second one' });
    await installation.must(['mount', `Head office:${project}`, mnt, '-o', 'settle=0,poll=3600']);
    await page.getByRole('link', { name: 'Plans/', exact: true }).click();
    await cell(SHOWN).waitFor();
    await person.button(`Versions: ${SHOWN}`).click();
    await modal.getByRole('cell', { name: '10 B' }).waitFor();
    t.strictSame(await person.column('Versions', 1), ['2', '1']);
    await person.look(t, 'versions');
    await page.keyboard.press('Escape');
    await person.button(`Pin: ${SHOWN}`).click();
    await person.button(`Unpin: ${SHOWN}`).waitFor();
    t.equal((await installation.status(mnt)).pins.items, 1);
    await person.button(`Unpin: ${SHOWN}`).click();
    await person.button(`Pin: ${SHOWN}`).waitFor();

    // Saved while somebody looks: shown without a reload.
    await page.getByRole('navigation', { name: 'Path' }).getByRole('link', { name: 'Top' }).click();
    for (const name of ['report.tmp', 'draft.tmp', 'tool.exe', 'saved.txt']) writeFileSync(join(mnt, name), name);
    await person.button('Retry: tool.exe').waitFor();
    await file('saved.txt').filter({ hasText: 'Synced' }).waitFor();
    await person.look(t, 'projects');
    await admin.switches({ executables: 'accepted' });
    await person.button('Retry: tool.exe').click();
    await person.button('Release: report.tmp').click();
    for (const name of ['tool.exe', 'report.tmp']) await file(name).filter({ hasText: 'Synced' }).waitFor();
    await person.button('Discard: draft.tmp').click();
    await file('draft.tmp').waitFor({ state: 'detached' });
    await page.getByText('Nothing waits to go up.').last().waitFor();
    const there = (await admin.tree({ hash: false })).map(({ path }) => path);
    t.ok(['tool.exe', 'report.tmp', 'saved.txt'].every((name) => there.includes(name)));
    t.notOk(there.includes('draft.tmp'));
  });

  await step('the wizard ends with the estimate, and with what will not be copied', async (t) => {
    await person.menu('Jobs');
    await person.title('Jobs');
    await person.button('Add job').click();
    const [source, destination] = [
      modal.getByRole('group', { name: 'Source' }),
      modal.getByRole('group', { name: 'Destination' }),
    ];
    await source.getByLabel('Connection').selectOption({ label: '<script>files' });
    await source.getByRole('button', { name: /Browse/ }).click();
    await source.getByRole('button', { name: '<b>bold' }).waitFor();
    await destination.getByLabel('Connection').selectOption({ label: 'Head office' });
    await destination.getByRole('textbox').fill(`/${project}/Archive`);
    await person.look(t, 'wizard');
    await person.button('Next').click();
    await modal.getByLabel('Name of the job').fill('Archive & <i>plans');
    t.equal(await modal.getByLabel('Names that').inputValue(), 'replace');
    await modal.getByLabel('Names that').selectOption('flag');
    await modal.getByLabel('Category').fill('<b>Nightly');
    await person.look(t, 'wizard-how');
    await person.button('Next').click();
    await modal.getByRole('heading', { name: 'Items that would not be copied' }).waitFor();
    for (const name of ['which?.txt', SHOWN, 'two\\x0alines\\x07\\x1b[31m?.txt'])
      await modal.getByRole('cell', { name: `/${name}`, exact: true }).waitFor();
    await person.look(t, 'estimate');
  });

  await step('a run is watched as it goes on', async (t) => {
    await admin.faults({ slow: { probability: 1, ms: 1000, on: ['storage'] } });
    await person.watchProgress();
    await person.button('Start now').click();
    await person.title('Archive & <i>plans');
    await page.getByRole('progressbar').waitFor();
    const asked = person.asked();
    await until(async () => (await person.progress()).length >= 2);
    const requests = asked();
    await admin.noFaults();
    await page.getByRole('heading', { name: 'Last run' }).waitFor();
    const seen = await person.progress();
    t.strictSame(
      seen,
      seen.toSorted((a, b) => a - b),
      'figures that grow, in a page that was never loaded anew',
    );
    t.ok(requests.filter((one) => /^GET .*\/jobs\//.test(one)).length <= 2, 'by events, not by asking');
    await page.getByText('52 (208 B)').waitFor();
    await person.look(t, 'job');
  });

  await step('flagged items: one is ignored, one is tried again after the job was changed', async (t) => {
    await person.tab('Items');
    await page.getByRole('cell', { name: '<img src=x' }).first().waitFor();
    await person.look(t, 'items');
    await page.getByText('1–50 of 57').waitFor();
    await person.button('Next').click();
    await page.getByText('51–57 of 57').waitFor();
    t.equal(await page.evaluate('document.activeElement.textContent'), 'Previous', 'the focus stays at the pages');
    await person.tab('Flagged items');
    await person.button(`Ignore: ${SHOWN}`).waitFor();
    await person.look(t, 'flagged');
    await person.button(`Ignore: ${SHOWN}`).click();
    await person.button(`Ignore: ${SHOWN}`).waitFor({ state: 'detached' });
    await person.button('Edit').click();
    await modal.getByLabel('Names that').selectOption('replace');
    await modal.getByLabel('When it runs').selectOption('daily');
    await modal.getByLabel('Time of day').fill('03:30');
    await person.look(t, 'change-job');
    await person.button('Save').click();
    await modal.waitFor({ state: 'detached' });
    t.equal(await page.evaluate('document.activeElement.textContent'), 'Edit', 'the focus is back');
    await person.button('Retry: which?.txt').click();
    await page.getByText('Nothing is flagged.').waitFor();
    const paths = async (): Promise<string[]> => (await admin.tree({ hash: false })).map(({ path }) => path);
    // It is no longer flagged as soon as it is tried again.
    await until(async () => (await paths()).includes('Archive/which-.txt'));
    const ignored = (await paths()).filter((path) => path.startsWith('Archive/') && path.includes('img'));
    t.strictSame(ignored, [], 'what is ignored did not');
  });

  await step('the report is read and taken along; both sides are looked at', async (t) => {
    await person.tab('Report');
    await person.button('Download the report (JSON)').waitFor();
    await person.look(t, 'report');
    const taken = async (name: string | RegExp): Promise<string> => {
      const saved = page.waitForEvent('download');
      await person.button(name).click();
      return readFileSync(await (await saved).path(), 'utf8');
    };
    t.match(JSON.parse(await taken('Download the report (JSON)')), { job: { name: 'Archive & <i>plans' } });
    t.match(await taken('Download the items (CSV)'), /which\?\.txt/);
    await person.tab('Overview');
    await page.getByText('Every day at 03:30').waitFor();
    for (const name of ['Runs', 'Log']) {
      await person.tab(name);
      await page.getByRole('table').waitFor();
      await person.look(t, name.toLowerCase());
    }
    await person.tab('Validation');
    await page.getByText('The sides differ').waitFor();
    await person.button('Look at both sides now').click();
    await page.getByText('Both sides agree').waitFor();
    await person.look(t, 'validation');
    t.match(await taken('Download as CSV'), /which-\.txt/);
  });

  await step('the grid: columns, order, the jobs of a connection; a filter is kept as a report', async (t) => {
    await person.menu('Jobs');
    await page.getByRole('link', { name: 'Archive & <i>plans' }).waitFor();
    await api('POST', '/v1/jobs', {
      name: 'Backup',
      transfer: {
        source: { connection: { id: 'Head office' }, target: { path: `/${project}/Plans` } },
        destination: { connection: { id: '<script>files' }, target: { path: '/plans' } },
      },
      schedule: { mode: 'manual' },
    });
    await page.getByRole('link', { name: 'Backup' }).waitFor();
    await page.locator('summary').click();
    await page.getByRole('checkbox', { name: 'Category' }).check();
    await page.getByRole('checkbox', { name: 'Health' }).uncheck();
    await page.keyboard.press('Escape');
    await cell('<b>Nightly').waitFor();
    t.equal(await page.getByRole('columnheader', { name: 'Health' }).count(), 0);
    await person.button('Name').click();
    await person.button('Name').click();
    await until(async () => (await person.column('Jobs', 1))[0] === 'Backup');
    await person.look(t, 'jobs');
    await page.reload();
    await cell('<b>Nightly').waitFor();
    await page.getByRole('combobox', { name: 'Category' }).selectOption({ label: '<b>Nightly' });
    await page.getByRole('link', { name: 'Backup' }).waitFor({ state: 'detached' });
    await person.button('Save as a report').click();
    await modal.getByLabel('Name of the report').fill(HOSTILE);
    await page.keyboard.press('Enter');
    await person.title('<img src=x');
    await page.getByRole('link', { name: 'Archive & <i>plans' }).first().waitFor();
    await person.look(t, 'report-saved');
    await person.menu('Reports');
    await page.getByRole('link', { name: '<img src=x' }).waitFor();
    await person.look(t, 'reports');
    await person.menu('Connections');
    await page.getByRole('link', { name: 'Jobs: <script>files' }).click();
    await page.getByRole('link', { name: 'Backup' }).waitFor();
    t.equal(
      await page.getByRole('combobox', { name: 'Connection' }).locator('option:checked').textContent(),
      '<script>files',
    );
    await page.getByRole('combobox', { name: 'Connection' }).selectOption({ label: 'All' });
  });

  await step('a job is duplicated and deleted; deletions that are held wait for a person', async (t) => {
    await page.getByRole('link', { name: 'Archive & <i>plans' }).click();
    await person.button('Duplicate').click();
    await person.title('Archive & <i>plans (copy)');
    await person.button('Delete').click();
    await person.title('Jobs');
    t.equal(await page.getByRole('link', { name: '(copy)' }).count(), 0);
    const side = (path: string) => ({ connection: { id: '<script>files' }, target: { path } });
    await api('POST', '/v1/jobs', {
      name: 'Mirror',
      transfer: {
        ...{ transfer_type: 'copy', delete_propagation: 'mirror', delete_guard: 0 },
        ...{ source: side('/many'), destination: side('/mirror') },
      },
      schedule: { mode: 'manual' },
    });
    await page.getByRole('link', { name: 'Mirror' }).click();
    await person.button('Start').click();
    await page.getByText('52 (208 B)').waitFor();
    rmSync(join(folder, 'many', '0.txt'));
    await person.button('Start').click();
    await person.tab('Flagged items');
    await cell('Delete').waitFor();
    t.ok(existsSync(join(folder, 'mirror', '0.txt')));
    await person.button('Start, with the deletions').click();
    await page.getByText('Nothing is flagged.').waitFor();
    // A new run shows nothing flagged before it has come to its deletions.
    await until(() => !existsSync(join(folder, 'mirror', '0.txt')));
  });

  await step('platforms side by side, the budget, and what is flagged of all jobs', async (t) => {
    await person.menu('Compare platforms');
    await page.getByRole('cell', { name: 'not compatible' }).first().waitFor();
    await person.look(t, 'comparison');
    await person.menu('Budget');
    await page.getByRole('heading', { name: 'Head office' }).waitFor();
    await person.look(t, 'budget');
    const used = (await page.getByText(/Calls of this hour: \d+/).textContent())!;
    await api('POST', '/v1/connections/Head%20office/test');
    await page.getByText(used, { exact: true }).waitFor({ state: 'detached' });
    all.expireTokens();
    await person.menu('Flagged items');
    await person.title('Flagged items');
    await person.look(t, 'flagged-all');
  });

  await step('who may only look sees no control that changes something', async (t) => {
    await person.menu('Users');
    await person.button('Add user').click();
    await modal.getByLabel('User name').fill('eve');
    await modal.getByLabel('Password').fill(PASSWORD);
    await person.look(t, 'add-user');
    await modal.getByRole('button', { name: 'Add user' }).click();
    await cell('eve').waitFor();
    await person.button('Edit: eve').click();
    await modal.getByLabel('Role').selectOption('manage');
    await person.button('Save').click();
    await person.row('eve').filter({ hasText: 'looks and changes' }).waitFor();
    await api('PATCH', '/v1/users/eve', { role: 'read' });
    await person.look(t, 'users');
    const other = new Person(await context.newPage(), all.pictures);
    await other.page.goto(service.http.replace('127.0.0.1', 'procorefs.test'));
    await other.page.getByLabel('User name').waitFor();
    t.equal(await other.page.evaluate(WAY), 'code', 'from elsewhere a sign-in comes back by a code');
    await other.signIn('eve', PASSWORD);
    const controls: string[] = [];
    for (const name of ['Connections', 'Jobs', 'Flagged items', 'Reports', 'Projects', 'Budget']) {
      await other.menu(name);
      await other.title(name);
      await other.page
        .getByText(/\d+–\d+ of \d+|Calls of this hour/)
        .first()
        .waitFor();
      controls.push(...(await other.page.getByRole('main').getByRole('button').allTextContents()));
    }
    await other.menu('Jobs');
    await other.page.getByRole('link', { name: 'Archive & <i>plans' }).click();
    await other.page.getByRole('heading', { name: 'Last run' }).waitFor();
    controls.push(...(await other.page.getByRole('main').getByRole('button').allTextContents()));
    const looks = /^(Download as CSV|Versions|Previous|Next|[A-Z][a-z ]+( [▲▼])?)$/;
    const changes = /Add|Edit|Delete|Test|Start|Estimate|Pin|Retry|Ignore|Release|Discard|Save|Pause|Cancel/;
    t.strictSame(
      controls.filter((text) => changes.test(text) || !looks.test(text)),
      [],
    );
    t.equal(await other.page.getByRole('link', { name: 'Users' }).count(), 0);
    await other.page.close();
    await person.button('Delete: eve').click();
    await cell('eve').waitFor({ state: 'detached' });
  });

  await person.button('Sign out').click();
  await page.getByLabel('User name').waitFor();
  t.equal(await page.evaluate('sessionStorage.length'), 0, 'the token is forgotten');
  t.strictSame(
    errors.filter((error) => !/status of 4\d\d/.test(error)),
    [],
    'the browser complains about nothing',
  );
});

const WAY = `import('/page/procore-sign-in.js').then(({ wayFrom }) => wayFrom(location.hostname))`;
