import { list, type Row } from './api.js';
import { button, type Child, field, grid, h, put, say } from './dom.js';
import { attempt } from './screen.js';
import { texts } from './texts.js';

export interface Filter {
  readonly key: string;
  readonly label: string;
  readonly options: readonly (readonly [value: string, caption: string])[];
  readonly value?: string | null;
}

export interface Column {
  readonly head: string;
  cell(row: Row): Child;
}

export interface PagedOptions {
  readonly caption: string;
  readonly path: string;
  readonly columns: readonly Column[];
  readonly filters?: readonly Filter[];
  /** Words of every request. */
  readonly fixed?: Readonly<Record<string, string>>;
  readonly isSearchable?: boolean;
  readonly empty: string;
  readonly signal: AbortSignal;
}

const ROWS = 50;

/** A list that the service searches, filters and pages. */
export class Paged {
  readonly element: HTMLElement;
  readonly #options: PagedOptions;
  readonly #words: Record<string, string> = {};
  readonly #table = h('div', {});
  readonly #trouble = h('div', {});
  readonly #foot = h('div', { class: 'bar' });
  #offset = 0;
  #round = 0;
  #shown = '';

  constructor(options: PagedOptions) {
    this.#options = options;
    const controls: HTMLElement[] = [];
    if (options.isSearchable !== false) {
      const search = h('input', { type: 'search', autocomplete: 'off' });
      let timer: ReturnType<typeof setTimeout>;
      search.addEventListener('input', () => {
        clearTimeout(timer);
        timer = setTimeout(() => this.#narrow('q', search.value.trim()), 250);
      });
      controls.push(field(texts.search, search));
    }
    for (const { key, label, options: own, value } of options.filters ?? []) {
      const select = h('select', {}, h('option', { value: '' }, texts.all));
      for (const [word, caption] of own) select.append(h('option', { value: word }, caption));
      if (value) this.#words[key] = select.value = value;
      select.addEventListener('change', () => this.#narrow(key, select.value));
      controls.push(field(label, select));
    }
    this.element = h(
      'div',
      {},
      controls.length > 0 ? h('div', { class: 'bar', role: 'search' }, ...controls) : null,
      this.#trouble,
      this.#table,
      this.#foot,
    );
  }

  /** The words that it is narrowed to now. */
  get words(): Readonly<Record<string, string>> {
    return { ...this.#options.fixed, ...this.#words };
  }

  /** Asks again, at the same place; draws only what differs, so that a reader keeps its place. */
  async load(isQuiet = false): Promise<void> {
    const round = ++this.#round;
    const { path, signal } = this.#options;
    await attempt(this.#trouble, async () => {
      const { rows, meta } = await list(path, { ...this.words, offset: this.#offset, limit: ROWS }, signal);
      if (round !== this.#round || signal.aborted) return;
      const text = JSON.stringify([rows, meta]);
      if (text === this.#shown) return;
      this.#shown = text;
      this.#draw(rows, meta.total_count);
      if (!isQuiet) say(texts.found(meta.total_count));
    });
  }

  #narrow(key: string, value: string): void {
    this.#words[key] = value;
    this.#go(0);
  }

  #go(offset: number): void {
    this.#offset = Math.max(0, offset);
    void this.load();
  }

  #draw(rows: readonly Row[], total: number): void {
    const { caption, columns, empty } = this.#options;
    const focused = (document.activeElement as HTMLElement | null)?.dataset?.key;
    if (rows.length === 0) put(this.#table, h('p', {}, empty));
    else
      put(
        this.#table,
        grid(
          caption,
          columns.map(({ head }) => head),
          rows.map((row) => columns.map((column) => column.cell(row))),
        ),
      );
    if (focused) this.#table.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    const at = this.#offset;
    put(
      this.#foot,
      h('span', { class: 'help' }, texts.range(rows.length === 0 ? 0 : at + 1, at + rows.length, total)),
      total > ROWS ? button(texts.previous, () => this.#go(at - ROWS), { disabled: at === 0 }) : null,
      total > ROWS ? button(texts.next, () => this.#go(at + ROWS), { disabled: at + rows.length >= total }) : null,
    );
  }
}
