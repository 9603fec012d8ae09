import { type Child, freshId, h, put, remote } from './dom.js';

/** A modal: keeps the keyboard focus, closes on Escape, and then returns the focus to the element that opened it. */
export class Modal {
  readonly element: HTMLDialogElement;
  readonly #title: HTMLElement;
  readonly #body = h('div', {});

  /** @param name untrusted name of the subject; shown after the title */
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

  /** Replaces the content and moves the focus to the title. */
  show(...children: readonly Child[]): void {
    put(this.#body, ...children);
    this.#title.focus();
  }

  close(): void {
    this.element.close();
  }
}
