import type { Row } from './api.js';
import { choice, field, h } from './dom.js';

type Control = HTMLInputElement | HTMLSelectElement;

/** A form built from the field descriptions of the service, for any platform. */
export class DescribedForm {
  readonly element = h('div', {});
  readonly #fields: { readonly row: Row; readonly control: Control; readonly box: HTMLElement }[] = [];

  /** @param isFilled the values are existing ones, not defaults: the name is shown too */
  constructor(attributes: readonly Row[], changed: () => void, isFilled = false) {
    for (const row of attributes) {
      const control: Control =
        row.type === 'select'
          ? choice(
              (row.options ?? []).map((one: Row) => [one.id, one.caption]),
              row.value ?? '',
            )
          : h('input', {
              type: row.type,
              placeholder: row.hint,
              autocomplete: row.type === 'password' ? 'new-password' : 'off',
              value: row.show_default && (isFilled || row.id !== 'name') ? row.value : '',
            });
      control.name = row.id;
      if (row.required) control.required = true;
      control.addEventListener('input', () => {
        this.#showFitting();
        changed();
      });
      const box = field(row.caption, control, [row.help_text, row.more_info].filter(Boolean).join(' '));
      this.#fields.push({ row, control, box });
      this.element.append(box);
    }
    this.#showFitting();
  }

  /** Values of all visible fields, including empty ones. */
  get all(): Record<string, string> {
    const shown = this.#fields.filter(({ box }) => !box.hidden);
    return Object.fromEntries(shown.map(({ control }) => [control.name, control.value]));
  }

  /** Values of the visible fields that are not empty. */
  get values(): Record<string, string> {
    return Object.fromEntries(Object.entries(this.all).filter(([, value]) => value !== ''));
  }

  /** The caption of the first required field that is empty; moves the focus to that field. */
  missing(): string | undefined {
    const found = this.#fields.find(({ box, control }) => !box.hidden && control.required && control.value === '');
    found?.control.focus();
    return found?.row.caption;
  }

  set isDisabled(is: boolean) {
    for (const { control } of this.#fields) control.disabled = is;
  }

  #showFitting(): void {
    for (const { row, box } of this.#fields) {
      const other = row.when && this.#fields.find(({ control }) => control.name === row.when.id);
      box.hidden = other !== undefined && other.control.value !== row.when.value;
    }
  }
}
