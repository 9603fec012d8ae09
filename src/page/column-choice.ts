import type { Row } from './api.js';
import { type Child, h } from './dom.js';
import { texts } from './texts.js';

export interface Column {
  readonly head: string;
  /** Sort key of the column in the service. */
  readonly sort?: string;
  /** Hidden unless the user chooses it. */
  readonly isExtra?: boolean;
  cell(row: Row): Child;
}

/** The choice of visible columns of a list, stored in this browser. The first column is always visible. */
export class ColumnChoice {
  readonly element: HTMLElement;
  readonly #columns: readonly Column[];
  readonly #key: string;
  /** Headers of the columns whose visibility the user has changed from the default. */
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

/** Without access to localStorage, the choice lasts until the page is closed. */
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
    // Without localStorage, the choice lasts until the page is closed.
  }
}
