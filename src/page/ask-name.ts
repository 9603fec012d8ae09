import { Modal } from './dialog.js';
import { button, failure, field, h, put } from './dom.js';
import { attempt } from './screen.js';
import { texts } from './texts.js';

/** A modal that asks for a name and shows errors of `act`. */
export function askName(title: string, label: string, act: (name: string) => Promise<void>): void {
  const modal = new Modal(title);
  const told = h('div', {});
  const name = h('input', { autocomplete: 'off', required: true, maxlength: 200 });
  const submit = (event: Event): void => {
    event.preventDefault();
    if (name.value.trim() === '') {
      put(told, failure(texts.fillIn(label)));
      name.focus();
      return;
    }
    void attempt(told, async () => {
      await act(name.value.trim());
      modal.close();
    });
  };
  modal.show(
    h(
      'form',
      { onsubmit: submit, novalidate: true },
      field(label, name),
      told,
      h(
        'div',
        { class: 'bar' },
        button(texts.cancel, () => modal.close()),
        h('button', { class: 'main' }, texts.save),
      ),
    ),
  );
  name.focus();
}
