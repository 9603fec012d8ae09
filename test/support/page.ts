import { join } from 'node:path';
import type { Locator, Page, Request } from 'playwright-core';
import { seriousFindings } from './browser.js';

interface Asserts {
  strictSame(found: unknown, wanted: unknown, what: string): unknown;
}

/** Elements that only a name could have made. */
const FOREIGN = 'main :is(img, i, b, script), dialog :is(img, i, b, script)';

/** A person before the web page of a service. */
export class Person {
  readonly page: Page;
  readonly modal: Locator;
  readonly #pictures: string;

  constructor(page: Page, pictures: string) {
    this.page = page;
    this.modal = page.getByRole('dialog');
    this.#pictures = pictures;
    page.on('dialog', (dialog) => void dialog.accept());
  }

  /** A picture; and nothing keeps people out, also in the dark and on a telephone. Names stay text. */
  async look(t: Asserts, name: string): Promise<void> {
    const { page } = this;
    await page.screenshot({ path: join(this.#pictures, `${name}.png`) });
    t.strictSame(await seriousFindings(page), [], `${name}: nothing that keeps people out`);
    const before = page.viewportSize()!;
    await page.setViewportSize({ width: 360, height: 700 });
    await page.emulateMedia({ colorScheme: 'dark' });
    t.strictSame(await seriousFindings(page, 'looks'), [], `${name}: nor in the dark, on a telephone`);
    t.strictSame(await page.evaluate(STICKING_OUT), [], `${name}: nothing sticks out`);
    t.strictSame(await page.locator(FOREIGN).count(), 0, `${name}: names are text`);
    const text = (await page.locator('body').textContent())!;
    t.strictSame(text.match(/\[object|undefined|\bNaN\b|Invalid Date/g), null, `${name}: every value has its words`);
    await page.emulateMedia({ colorScheme: null });
    await page.setViewportSize(before);
  }

  title(text: string): Promise<void> {
    return this.page.getByRole('heading', { level: 1, name: text }).waitFor();
  }

  async menu(text: string): Promise<void> {
    const screens = this.page.getByRole('navigation', { name: 'Screens' });
    await screens.getByRole('link', { name: text, exact: true }).click();
    await screens.locator('[aria-current]', { hasText: text }).waitFor();
  }

  async tab(name: string): Promise<void> {
    const tabs = this.page.getByRole('navigation', { name: 'Job' });
    await tabs.getByRole('link', { name, exact: true }).click();
    await tabs.locator('[aria-current]', { hasText: name }).waitFor();
  }

  /** A button of the page or of the modal that is open. */
  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name });
  }

  /** The row of a table that has this text. */
  row(text: string): Locator {
    return this.page.getByRole('row').filter({ hasText: text });
  }

  /** Texts of a column of the table that is shown. */
  async column(table: string, at: number): Promise<string[]> {
    const cells = this.page.getByRole('region', { name: table }).locator(`tbody tr td:nth-child(${at})`);
    return cells.allTextContents();
  }

  async signIn(name: string, password: string): Promise<void> {
    await this.page.getByLabel('User name').fill(name);
    await this.page.getByLabel('Password').fill(password);
    await this.page.keyboard.press('Enter');
  }

  /** From now on, as long as the page is not loaded anew, `progress` has what the bar of progress showed. */
  async watchProgress(): Promise<void> {
    await this.page.evaluate(WATCH);
  }

  async progress(): Promise<number[]> {
    return (await this.page.evaluate('seen')) as number[];
  }

  /** What the service is asked until the answer is taken. */
  asked(): () => string[] {
    const seen: string[] = [];
    const see = (request: Request): void => void seen.push(`${request.method()} ${new URL(request.url()).pathname}`);
    this.page.on('request', see);
    return () => {
      this.page.off('request', see);
      return seen;
    };
  }
}

/** What is wider than the window, or than the modal that it is in. */
const STICKING_OUT = `[document.documentElement, ...document.querySelectorAll('dialog')]
  .filter((one) => one.scrollWidth > one.clientWidth)
  .map((one) => one.tagName + ' ' + one.scrollWidth + ' > ' + one.clientWidth)`;

const WATCH = `globalThis.seen = [];
  new MutationObserver(() => {
    const value = document.querySelector('main progress')?.value;
    if (value > 0 && value !== seen.at(-1)) seen.push(value);
  }).observe(document.querySelector('main'), { subtree: true, childList: true });`;
