export type Child = Node | string | number | null | undefined | false;
type Value = string | number | boolean | null | undefined | ((event: Event) => void);
export type Attributes = Readonly<Record<string, Value>>;

let lastId = 0;
export const freshId = (word: string): string => `${word}-${++lastId}`;

/**
 * Creates an element. Children are nodes or text, never markup, so that text from a server cannot become an element.
 * An `on…` attribute adds an event listener; a boolean sets or omits an attribute.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (name === 'value') (element as unknown as HTMLInputElement).value = String(value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  put(element, ...children);
  return element;
}

/** Replaces the children of an element. */
export function put(element: Element, ...children: readonly Child[]): void {
  element.replaceChildren(...children.filter(isShown).map((child) => (child instanceof Node ? child : String(child))));
}

const isShown = (child: Child): child is Node | string | number =>
  child !== null && child !== undefined && child !== false;

const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Text whose invisible and direction-changing characters are escaped as in messages of the service: `\u{202e}`. */
export const visible = (text: string): string =>
  text.replace(UNSEEN, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });

/** A name from outside: invisible characters are escaped, and it cannot change the direction of the text around it. */
export const remote = (text: string | null | undefined): HTMLElement => h('bdi', {}, visible(text ?? ''));

/** Accessible label of a control: the action and the item, since a screen reader user may not see its row. */
export const about = (act: string, name: string): string => `${act}: ${visible(name)}`;

export const button = (text: string, act: () => void, attributes: Attributes = {}): HTMLButtonElement =>
  h('button', { type: 'button', onclick: () => act(), ...attributes }, text);

/** An error message; screen readers announce it when it appears. */
export const failure = (text: string): HTMLElement => h('p', { class: 'note bad', role: 'alert' }, text);

/** A control with its label and optional help text. */
export function field(
  label: string,
  control: HTMLInputElement | HTMLSelectElement,
  help: string | undefined = undefined,
): HTMLElement {
  control.id ||= freshId('field');
  const helpId = `${control.id}-help`;
  if (help) control.setAttribute('aria-describedby', helpId);
  return h(
    'div',
    { class: 'field' },
    h('label', { for: control.id }, label),
    control,
    help ? h('p', { class: 'help', id: helpId }, help) : null,
  );
}

export function choice(
  options: readonly (readonly [value: string, caption: string])[],
  value: string,
  changed: (value: string) => void = () => undefined,
): HTMLSelectElement {
  const select = h('select', {}, ...options.map(([own, caption]) => h('option', { value: own }, visible(caption))));
  select.value = value;
  select.addEventListener('change', () => changed(select.value));
  return select;
}

/** A list of terms with their values; undefined values are omitted. */
export const facts = (rows: readonly (readonly [string, Child])[]): HTMLElement =>
  h(
    'dl',
    {},
    ...rows.filter(([, value]) => isShown(value)).flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]),
  );

/** The header of a column; with `order`, the column can be sorted. */
export interface Head {
  readonly text: string;
  readonly key?: string;
  readonly order?: 'ascending' | 'descending' | 'none';
  sort?(): void;
}

const SIGNS = { ascending: ' ▲', descending: ' ▼', none: '' } as const;

function headCell(head: string | Head): HTMLElement {
  if (typeof head === 'string') return h('th', { scope: 'col' }, head);
  const { text, key, order, sort } = head;
  if (!sort || !order) return h('th', { scope: 'col' }, text);
  const own = button('', () => sort(), { class: 'link', 'data-key': `sort ${key}` });
  own.append(text, h('span', { 'aria-hidden': 'true' }, SIGNS[order]));
  return h('th', { scope: 'col', 'aria-sort': order }, own);
}

/** A table that can also be scrolled horizontally with the keyboard. */
export const grid = (
  caption: string,
  heads: readonly (string | Head)[],
  rows: readonly (readonly Child[])[],
): HTMLElement =>
  h(
    'div',
    { class: 'grid', role: 'region', tabindex: '0', 'aria-label': caption },
    h(
      'table',
      {},
      h('caption', { class: 'hidden' }, caption),
      h('thead', {}, h('tr', {}, ...heads.map(headCell))),
      h('tbody', {}, ...rows.map((cells) => h('tr', {}, ...cells.map((cell) => h('td', {}, cell))))),
    ),
  );

const spoken = h('div', { class: 'hidden', role: 'status', 'aria-live': 'polite' });

/** The live region to which `say` writes; it stays on the page. */
export const speaker = (): HTMLElement => spoken;

/** Makes screen readers announce the text; it is not visible. */
export function say(text: string): void {
  spoken.textContent = text;
}
