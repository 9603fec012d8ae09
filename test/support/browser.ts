import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';

/** Debian's browser. */
const PROGRAM = '/usr/bin/chromium';

/** Why there is no browser here; undefined: there is one. */
export const noBrowser = existsSync(PROGRAM) ? undefined : 'the package chromium is not installed';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** A browser that nobody sees; it ends with the test. What a page writes to its console as an error is in `errors`. */
export async function openBrowser(t: { teardown(cleanup: () => unknown): unknown }) {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-browser-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: PROGRAM,
    // Chromium's own sandbox needs a user that is not root.
    chromiumSandbox: process.getuid?.() !== 0,
    // The name is for a page that is opened from elsewhere.
    args: ['--disable-gpu', '--disable-dev-shm-usage', '--host-resolver-rules=MAP procorefs.test 127.0.0.1'],
    viewport: { width: 1200, height: 800 },
    acceptDownloads: true,
  });
  t.teardown(() => context.close());
  context.setDefaultTimeout(30_000);
  const errors: string[] = [];
  const page = context.pages()[0] ?? (await context.newPage());
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  return { context, page, errors };
}

/** Rules whose outcome hangs on the size of the window and on its colours. */
const OF_LOOKS = ['color-contrast', 'scrollable-region-focusable', 'target-size'];

/**
 * What axe finds that keeps people from using the page: each rule with the elements that break it.
 * @param part `looks`: only what a window of another size and other colours can change
 */
export async function seriousFindings(page: Page, part: 'all' | 'looks' = 'all'): Promise<string[]> {
  // Through the debugger: the page's own policy takes no foreign script.
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(AXE);
  const options = { resultTypes: ['violations'], ...(part === 'all' ? {} : { runOnly: OF_LOOKS }) };
  const { violations } = (await page.evaluate(`axe.run(document, ${JSON.stringify(options)})`)) as {
    violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[];
  };
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
}
