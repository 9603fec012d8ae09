import { type Child, freshId, h, put, remote } from './dom.js';

/** A modal: the keyboard stays in it, Escape closes it, and whoever opened it has the focus back. */
export class Modal {
  readonly element: HTMLDialogElement;
  readonly #title: HTMLElement;
  readonly #body = h('div', {});

  /** @param name what it is about, as somebody else called it; follows the title */
  constructor(title: string, closed: () => void = () => undefined, name?: string) {
    const id = freshId('title');
    this.#title = h('h1', { id, tabindex: '-1' }, title, ...(name === undefined ? [] : [': ', remote(name)]));
    this.element = h('dialog', { 'aria-labelledby': id }, this.#title, this.#body);
    const opener = document.activeElement as HTMLElement | null;
    this.element.addEventListener('close', () => {
      this.element.remove();
      closed();
      if (opener?.isConnected) opener.focus();
    });
    document.body.append(this.element);
    this.element.showModal();
    this.#title.focus();
  }

  set title(text: string) {
    this.#title.textContent = text;
  }

  /** Replaces what it shows and begins again at its title. */
  show(...children: readonly Child[]): void {
    put(this.#body, ...children);
    this.#title.focus();
  }

  close(): void {
    this.element.close();
  }
}
