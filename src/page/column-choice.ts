import type { Row } from './api.js';
import { type Child, h } from './dom.js';
import { texts } from './texts.js';

export interface Column {
  readonly head: string;
  /** The service's word for sorting by it. */
  readonly sort?: string;
  /** Only shown to those who choose it. */
  readonly isExtra?: boolean;
  cell(row: Row): Child;
}

/** Which columns of a list are shown; the choice stays in this browser. The first column always is. */
export class ColumnChoice {
  readonly element: HTMLElement;
  readonly #columns: readonly Column[];
  readonly #key: string;
  /** Heads whose columns are not as they are unless somebody chooses. */
  readonly #turned: Set<string>;

  constructor(name: string, columns: readonly Column[], changed: () => void) {
    this.#key = `procorefs-columns-${name}`;
    this.#columns = columns;
    this.#turned = new Set(remembered(this.#key));
    const one = (column: Column): HTMLElement => {
      const box = h('input', { type: 'checkbox', checked: this.#isShown(column) });
      box.addEventListener('change', () => {
        if (box.checked === (column.isExtra !== true)) this.#turned.delete(column.head);
        else this.#turned.add(column.head);
        remember(this.#key, [...this.#turned]);
        changed();
      });
      return h('label', {}, box, ' ', column.head);
    };
    this.element = h(
      'details',
      { class: 'columns' },
      h('summary', {}, texts.columns),
      h('fieldset', {}, h('legend', { class: 'hidden' }, texts.columns), ...columns.slice(1).map(one)),
    );
    this.element.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      (this.element as HTMLDetailsElement).open = false;
      this.element.querySelector('summary')?.focus();
    });
  }

  get shown(): readonly Column[] {
    return this.#columns.filter((column, at) => at === 0 || this.#isShown(column));
  }

  #isShown({ head, isExtra }: Column): boolean {
    return (isExtra !== true) !== this.#turned.has(head);
  }
}

/** A browser may keep nothing for a page; then the choice lasts until the page is closed. */
function remembered(key: string): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(kept) ? kept.filter((one) => typeof one === 'string') : [];
  } catch {
    return [];
  }
}

function remember(key: string, heads: readonly string[]): void {
  try {
    localStorage.setItem(key, JSON.stringify(heads));
  } catch {
    // As `remembered`.
  }
}
