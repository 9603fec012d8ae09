import { address, download, list, type Row } from './api.js';
import { type Column, ColumnChoice } from './column-choice.js';
import { button, field, grid, type Head, h, put, say, visible } from './dom.js';
import { follow } from './live.js';
import { attempt, oneAtATime } from './screen.js';
import { texts } from './texts.js';

export interface Filter {
  readonly key: string;
  readonly label: string;
  readonly options: readonly (readonly [value: string, caption: string])[];
  readonly value?: string | null;
}

export interface PagedOptions {
  readonly caption: string;
  readonly path: string;
  readonly columns: readonly Column[];
  readonly filters?: readonly Filter[];
  /** Query parameters of every request. */
  readonly fixed?: Readonly<Record<string, string>>;
  readonly isSearchable?: boolean;
  /** If set, the user can choose columns; the choice is stored under this name. */
  readonly kept?: string;
  readonly empty: string;
  /** Called with the rows whenever they are drawn. */
  readonly drawn?: (rows: readonly Row[]) => void;
  readonly signal: AbortSignal;
}

const ROWS = 50;

/** A table whose search, filters, sorting and paging are done by the service. */
export class Paged {
  readonly element: HTMLElement;
  readonly #options: PagedOptions;
  readonly #words: Record<string, string> = {};
  readonly #columns: ColumnChoice | undefined;
  readonly #table = h('div', {});
  readonly #trouble = h('div', {});
  readonly #foot = h('div', { class: 'bar' });
  #offset = 0;
  #round = 0;
  #shown = '';
  #rows: readonly Row[] = [];
  #total = 0;

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
      for (const [word, caption] of own) select.append(h('option', { value: word }, visible(caption)));
      if (value) this.#words[key] = select.value = value;
      select.addEventListener('change', () => this.#narrow(key, select.value));
      controls.push(field(label, select));
    }
    if (options.kept !== undefined) {
      this.#columns = new ColumnChoice(options.kept, options.columns, () => this.#draw());
      controls.push(this.#columns.element);
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

  /** The current query parameters for search, filters and sorting. */
  get words(): Readonly<Record<string, string>> {
    return { ...this.#options.fixed, ...this.#words };
  }

  /** Requests the current page again; redraws only what differs, so that a screen reader keeps its place. */
  async load(isQuiet = false): Promise<void> {
    const round = ++this.#round;
    const { path, signal } = this.#options;
    await attempt(this.#trouble, async () => {
      const { rows, meta } = await list(path, { ...this.words, offset: this.#offset, limit: ROWS }, signal);
      if (round !== this.#round || signal.aborted) return;
      // The last page may have become empty since.
      if (rows.length === 0 && this.#offset > 0 && meta.total_count > 0) return this.#go(this.#offset - ROWS);
      const text = JSON.stringify([this.words, rows, meta]);
      if (text === this.#shown) return;
      this.#shown = text;
      this.#rows = rows;
      this.#total = meta.total_count;
      this.#draw();
      if (!isQuiet) say(texts.found(meta.total_count));
    });
  }

  /** A button that saves the whole filtered list as CSV; `told` shows errors. */
  csv(told: HTMLElement, name: string, label?: string): HTMLElement {
    const { path } = this.#options;
    const save = (): void => void attempt(told, () => download(address(`${path}.csv`, this.words), name));
    return button(texts.csv, save, { 'aria-label': label });
  }

  #narrow(key: string, value: string): void {
    this.#words[key] = value;
    this.#go(0);
  }

  #go(offset: number): void {
    this.#offset = Math.max(0, offset);
    void this.load();
  }

  #head({ head, sort }: Column): string | Head {
    if (sort === undefined) return head;
    const now = this.#words.sort ?? '';
    return {
      text: head,
      key: sort,
      order: now === sort ? 'ascending' : now === `-${sort}` ? 'descending' : 'none',
      sort: () => this.#narrow('sort', now === sort ? `-${sort}` : sort),
    };
  }

  #draw(): void {
    const { caption, empty } = this.#options;
    const columns = this.#columns?.shown ?? this.#options.columns.filter(({ isExtra }) => !isExtra);
    const focused = (document.activeElement as HTMLElement | null)?.dataset?.key;
    const [rows, total] = [this.#rows, this.#total];
    if (rows.length === 0) put(this.#table, h('p', {}, empty));
    else
      put(
        this.#table,
        grid(
          caption,
          columns.map((column) => this.#head(column)),
          rows.map((row) => columns.map((column) => column.cell(row))),
        ),
      );
    this.#options.drawn?.(rows);
    if (focused) this.element.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    const at = this.#offset;
    put(
      this.#foot,
      h('span', { class: 'help' }, texts.range(rows.length === 0 ? 0 : at + 1, at + rows.length, total)),
      total > ROWS
        ? button(texts.previous, () => this.#go(at - ROWS), { disabled: at === 0, 'data-key': 'previous' })
        : null,
      total > ROWS
        ? button(texts.next, () => this.#go(at + ROWS), { disabled: at + rows.length >= total, 'data-key': 'next' })
        : null,
    );
    if (focused === 'previous' || focused === 'next')
      (
        this.#foot.querySelector<HTMLElement>(`[data-key="${focused}"]:enabled`) ??
        this.#foot.querySelector<HTMLElement>('button:enabled')
      )?.focus();
  }
}

/** Updates a view with the new state of the object that its list belongs to. */
export type Refresh = (now: Row) => void;

/** Loads a list, and reloads it on every event about jobs. */
export async function followed(paged: Paged, signal: AbortSignal): Promise<void> {
  void follow('jobs', signal, await refreshing(paged, signal));
}

/** Loads a list; returns the function that reloads it. */
export async function refreshing(paged: Paged, signal: AbortSignal): Promise<Refresh> {
  await paged.load();
  return oneAtATime(signal, () => paged.load(true));
}
