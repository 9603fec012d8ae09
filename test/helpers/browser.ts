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
    args: ['--disable-gpu', '--disable-dev-shm-usage'],
    viewport: { width: 1200, height: 800 },
    acceptDownloads: true,
  });
  t.teardown(() => context.close());
  context.setDefaultTimeout(15_000);
  const errors: string[] = [];
  const page = context.pages()[0] ?? (await context.newPage());
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  return { context, page, errors };
}

/** What axe finds that keeps people from using the page: each rule with the elements that break it. */
export async function seriousFindings(page: Page): Promise<string[]> {
  // Through the debugger: the page's own policy takes no foreign script.
  await page.evaluate(AXE);
  const { violations } = (await page.evaluate('axe.run(document, { resultTypes: ["violations"] })')) as {
    violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[];
  };
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
}
