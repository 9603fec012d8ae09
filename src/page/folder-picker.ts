import { list } from './api.js';
import { button, field, h, put, remote, say, visible } from './dom.js';
import { attempt } from './screen.js';
import { texts } from './texts.js';

/** An input for a path of a connection: typed, or chosen in a folder browser. */
export class FolderPicker {
  readonly element: HTMLElement;
  readonly #input: HTMLInputElement;
  readonly #list = h('div', {});
  readonly #connection: () => string;

  /** @param connection returns the id of the selected connection, or an empty string */
  constructor(label: string, path: string, connection: () => string) {
    this.#connection = connection;
    this.#input = h('input', { autocomplete: 'off', value: path });
    this.element = h(
      'div',
      {},
      field(label, this.#input, texts.folderHelp),
      button(texts.browse, () => void this.#open(this.path), { 'aria-label': `${texts.browse}: ${label}` }),
      this.#list,
    );
  }

  get path(): string {
    return this.#input.value.trim().replace(/\/+$/, '');
  }

  clear(): void {
    this.#input.value = '';
    put(this.#list);
  }

  #open(path: string): Promise<void> {
    const told = h('div', {});
    put(this.#list, h('p', { role: 'status' }, texts.loading));
    return attempt(told, async () => {
      const id = this.#connection();
      if (!id) throw new Error(texts.chooseConnection);
      const { rows, meta } = await list(`/v1/connections/${id}/items`, { path, limit: 1000 });
      const folders = rows.filter(({ type }) => type === 'container');
      this.#input.value = path;
      const enter = (to: string): void => void this.#open(to);
      put(
        this.#list,
        h('p', { class: 'help' }, texts.here(visible(path))),
        h(
          'ul',
          { class: 'folders', tabindex: '0' },
          path === ''
            ? null
            : h(
                'li',
                {},
                button(texts.up, () => enter(path.split('/').slice(0, -1).join('/')), { class: 'link' }),
              ),
          ...folders.map(({ name }) => {
            const open = button('', () => enter(`${path}/${name}`), { class: 'link' });
            open.append(remote(name));
            return h('li', {}, open);
          }),
          folders.length === 0 ? h('li', {}, texts.noFolders) : null,
        ),
        meta.has_more ? h('p', { class: 'help' }, texts.moreFolders) : null,
      );
      this.#list.querySelector<HTMLElement>('ul')?.focus();
      say(texts.found(folders.length));
    }).finally(() => {
      if (told.hasChildNodes()) put(this.#list, told);
    });
  }
}
