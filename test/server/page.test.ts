import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { resolveOptions } from '#src/base/options.js';
import { Secret } from '#src/base/secret.js';
import { openService } from '#src/daemon/serve.js';
import { StateFolder } from '#src/daemon/state-folder.js';
import { openServerDatabase } from '#src/server/access/database.js';
import { Users } from '#src/server/access/users.js';
import { noBrowser, openBrowser, seriousFindings } from '../helpers/browser.js';
import { simulator } from '../helpers/simulator.js';

/** Kept where a person asks for it, to look at them. */
const PICTURES = process.env.PROCOREFS_PICTURES;
const HOSTILE = '<img src=x onerror=document.title=1>&amp;\u202egpj.txt';
const PASSWORD = 'a long enough password';

/** The simulator's login and API at one address, as a person who types a domain has it. */
async function oneHost(
  t: { teardown(cleanup: () => unknown): unknown },
  { api, login }: { readonly api: string; readonly login: string },
): Promise<string> {
  const server = createServer((request, response) => {
    const url = new URL(request.url!, request.url!.startsWith('/oauth') ? login : api);
    const { host: _, ...headers } = request.headers;
    const onward = forward(url, { method: request.method!, headers, agent: false }, (reply) => {
      response.writeHead(reply.statusCode!, reply.headers);
      reply.pipe(response);
    });
    onward.once('error', () => request.socket.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

t.test('the way of a person through the page', { skip: noBrowser ?? false }, async (t) => {
  const { ready } = await simulator(t, { items: 12, projects: 1, oddNames: 'no', spike: 3000 });
  const top = mkdtempSync(join(tmpdir(), 'procorefs-test-'));
  t.teardown(() => rmSync(top, { recursive: true, force: true }));
  const pictures = PICTURES ?? join(top, 'pictures');
  const folder = join(top, 'archive');
  for (const path of [pictures, folder]) mkdirSync(path, { recursive: true });
  writeFileSync(join(folder, HOSTILE), 'x');
  writeFileSync(join(folder, 'letter.txt'), 'Dear');
  mkdirSync(join(folder, '<b>bold'));
  writeFileSync(join(folder, '<b>bold', 'plan.txt'), 'x');
  const state = new StateFolder(join(top, 'state'));
  const database = openServerDatabase(state.path);
  await new Users(database).add('ann', 'manage', new Secret(PASSWORD));
  database.close();
  const options = resolveOptions({ given: {}, environment: {}, file: {} });
  const service = await openService({ state, options, listen: '127.0.0.1:0', version: '0' });
  t.teardown(() => service.close());
  const { page, context, errors } = await openBrowser(t);
  const look = async (name: string): Promise<void> => {
    await page.screenshot({ path: join(pictures, `${name}.png`) });
    t.strictSame(await seriousFindings(page), [], `${name}: nothing that keeps people out`);
  };
  const title = (text: string) => page.getByRole('heading', { level: 1, name: text }).waitFor();
  const menu = (text: string) =>
    page.getByRole('navigation', { name: 'Screens' }).getByRole('link', { name: text, exact: true });

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
  t.ok(bytes > 1000 && bytes <= 150_000, `the first load is small: ${bytes} bytes`);

  await look('sign-in');
  await page.getByLabel('User name').fill('ann');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  t.equal(await page.getByLabel('User name').inputValue(), 'ann', 'what was typed stays');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await title('Connections');
  await look('connections-empty');

  // A Procore connection: a test that fails keeps everything, the next one succeeds.
  await page.getByRole('button', { name: 'Add connection' }).click();
  const modal = page.getByRole('dialog');
  await modal.getByLabel('Platform API credentials').selectOption('custom');
  await modal.getByLabel('Display as').fill('Head office');
  await modal.getByLabel('Domain').fill(await oneHost(t, ready));
  await modal.getByLabel('Client ID').fill(ready.client_id);
  await modal.getByLabel('Client Secret').fill('wrong');
  await look('add-procore');
  const signIn = async (outcome: string): Promise<void> => {
    const opened = context.waitForEvent('page');
    await modal.getByRole('button', { name: 'Sign in with Procore' }).click();
    const popup = await opened;
    await popup.getByRole('button', { name: 'Allow' }).click();
    await modal.getByText(/Connection test (succeeded|failed)/).waitFor();
    t.match(await modal.textContent(), outcome);
    await popup.close();
  };
  await signIn('Connection test failed');
  await look('test-failed');
  t.equal(await modal.getByLabel('Display as').inputValue(), 'Head office', 'the fields stay');
  t.ok(await modal.getByRole('button', { name: 'Done' }).isDisabled());
  t.ok(await modal.getByRole('button', { name: 'Sign in with Procore' }).isEnabled());
  await modal.getByLabel('Client Secret').fill(ready.client_secret);
  await signIn('Connection test succeeded');
  await look('test-succeeded');
  await modal.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('cell', { name: 'Head office', exact: true }).waitFor();

  await page.getByRole('button', { name: 'Add connection' }).click();
  await modal.getByLabel('Platform', { exact: true }).selectOption('fs');
  await modal.getByLabel('Folder').fill(folder);
  await modal.getByLabel('Display as').fill('<script>archive');
  await modal.getByRole('button', { name: 'Test connection' }).click();
  await modal.getByText('Connection test succeeded').waitFor();
  await modal.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('cell', { name: '<script>archive', exact: true }).waitFor();
  await look('connections');
  await page.getByLabel('Search').fill('head');
  await page.getByRole('cell', { name: '<script>archive', exact: true }).waitFor({ state: 'detached' });

  // A job, from the folder with the hostile names to a folder of the project.
  await menu('Jobs').click();
  await title('Jobs');
  await page.getByRole('button', { name: 'Add job' }).click();
  const [source, destination] = [
    modal.getByRole('group', { name: 'Source' }),
    modal.getByRole('group', { name: 'Destination' }),
  ];
  await source.getByLabel('Connection').selectOption({ label: '<script>archive' });
  await source.getByRole('button', { name: /Browse/ }).click();
  await source.getByRole('button', { name: '<b>bold' }).waitFor();
  await destination.getByLabel('Connection').selectOption({ label: 'Head office' });
  await destination.getByRole('textbox').fill(`/${ready.projects[0]!.name}`);
  await look('wizard');
  await modal.getByRole('button', { name: 'Next' }).click();
  await modal.getByLabel('Name of the job').fill('Archive & <i>plans');
  await look('wizard-how');
  await modal.getByRole('button', { name: 'Next' }).click();
  await modal.getByText('What the first run would do').waitFor();
  await look('estimate');
  await modal.getByRole('button', { name: 'Start now' }).click();
  await title('Archive & <i>plans');
  await page.getByText('1 (4 B)').waitFor();
  await look('job');
  const tab = (name: string) => page.getByRole('navigation', { name: 'Job' }).getByRole('link', { name, exact: true });
  await tab('Items').click();
  await page.getByRole('cell', { name: '<img src=x' }).first().waitFor();
  await look('items');
  for (const name of ['Flagged items', 'Runs', 'Log', 'Report']) {
    await tab(name).click();
    await page.getByRole('navigation', { name: 'Job' }).locator('[aria-current]', { hasText: name }).waitFor();
    if (name === 'Report') await page.getByRole('button', { name: 'Download the report (JSON)' }).waitFor();
    await look(name.toLowerCase().replace(' ', '-'));
  }
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download the report (JSON)' }).click();
  const report = JSON.parse(readFileSync(await (await saved).path(), 'utf8'));
  t.equal(report.job.name, 'Archive & <i>plans');
  await menu('Jobs').click();
  await page.getByRole('link', { name: 'Archive & <i>plans' }).waitFor();
  await look('jobs');

  await menu('Compare platforms').click();
  await page.getByRole('cell', { name: 'not compatible' }).first().waitFor();
  await look('comparison');
  await menu('Budget').click();
  await page.getByRole('heading', { name: 'Head office' }).waitFor();
  await look('budget');
  await menu('Projects').click();
  await page.getByText('Nothing is mounted').waitFor();
  await look('projects');
  await menu('Flagged items').click();
  await title('Flagged items');
  await page.setViewportSize({ width: 360, height: 700 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await menu('Connections').click();
  await page.getByRole('cell', { name: 'Head office', exact: true }).waitFor();
  await look('dark-narrow');
  t.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, 'nothing sticks out');
  t.equal(await page.evaluate('document.querySelectorAll("img, main script, i, b").length'), 0, 'names are text');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('User name').waitFor();
  t.equal(await page.evaluate('sessionStorage.length'), 0, 'the token is forgotten');
  t.strictSame(
    errors.filter((error) => !/status of 4\d\d/.test(error)),
    [],
    'the browser complains about nothing',
  );
});
