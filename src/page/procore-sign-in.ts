import { CallFailed, call, type Row, read } from './api.js';
import { button, field, h, put } from './dom.js';
import { attempt, pause } from './screen.js';
import { texts } from './texts.js';

/**
 * How a sign-in returns its result: by a redirect to a port of the machine that runs the service, or by a code that the
 * user copies, since a browser on another machine cannot reach that port.
 */
export type Way = 'browser' | 'code';

/** The way that works for a page opened at this host name. */
export const wayFrom = (host: string): Way => (/^(localhost|127(\.\d+){3}|\[::1\])$/.test(host) ? 'browser' : 'code');

/** Polling interval for the state of the sign-in in milliseconds. */
const LOOK = 500;

/**
 * Opens the sign-in in a new window; resolves when the connection has passed its test.
 * @param begin requests the sign-in link from the service
 * @param told element for the instructions to the user
 * @throws CallFailed, or the signal's reason
 */
export async function signInAt(
  begin: (way: Way) => Promise<Row>,
  told: HTMLElement,
  signal: AbortSignal,
): Promise<void> {
  for (let way: Way | undefined = wayFrom(location.hostname); way; ) way = await goOneWay(way, begin, told, signal);
}

/** Returns the other way if the user switches to it; undefined after success. */
async function goOneWay(
  way: Way,
  begin: (way: Way) => Promise<Row>,
  told: HTMLElement,
  signal: AbortSignal,
): Promise<Way | undefined> {
  // Opened before any wait, since browsers open windows only during the handling of a click.
  const opened = window.open('about:blank', '_blank', 'popup,width=800,height=700');
  let link: Row;
  try {
    link = await begin(way);
    // Only http(s) URLs: the URL may be derived from user input.
    if (!/^https?:\/\//.test(link.target ?? '')) throw new CallFailed(0, texts.noSignInPage);
  } catch (error) {
    opened?.close();
    throw error;
  }
  if (opened) opened.location.href = link.target;
  const other: Way = way === 'code' ? 'browser' : 'code';
  let isTurned = false;
  for (let target = link.target, shown = ''; ; ) {
    if (target !== shown) {
      shown = target;
      put(
        told,
        way === 'code' ? codeForm(link) : h('p', {}, texts.waitingForSignIn),
        h('p', {}, h('a', { href: target, target: '_blank', rel: 'noopener noreferrer' }, texts.openSignIn)),
        h(
          'p',
          {},
          button(texts.otherWay[other], () => (isTurned = true), { class: 'link' }),
        ),
      );
      told.querySelector('input')?.focus();
    }
    await pause(LOOK);
    signal.throwIfAborted();
    if (isTurned) return other;
    const found = await read(link.links.status, signal);
    if (found.state === 'succeeded') return undefined;
    if (found.state === 'failed') throw new CallFailed(0, found.error.description, found.error.remedy);
    target = found.target;
  }
}

function codeForm(link: Row): HTMLElement {
  const code = h('input', { autocomplete: 'off', required: true });
  const trouble = h('div', {});
  const submit = (event: Event): void => {
    event.preventDefault();
    void attempt(trouble, async () => {
      if (code.value.trim() === '') throw new CallFailed(0, texts.fillIn(texts.code));
      await call('POST', link.links.status, { code: code.value.trim() });
      put(form, h('p', {}, texts.testing));
    });
  };
  const form = h(
    'form',
    { onsubmit: submit, novalidate: true },
    h('p', {}, texts.copyCode),
    field(texts.code, code, texts.codeHelp),
    trouble,
    h('button', {}, texts.goOn),
  );
  return form;
}
