import { signIn } from './api.js';
import { field, h, put } from './dom.js';
import { attempt, type Screen, titleOf } from './screen.js';
import { texts } from './texts.js';

/** The sign-in form; calls `entered` when the service has accepted user name and password. */
export function signInScreen({ main }: Screen, entered: () => Promise<void>): void {
  const name = h('input', { name: 'username', autocomplete: 'username', required: true });
  const password = h('input', {
    name: 'password',
    type: 'password',
    autocomplete: 'current-password',
    required: true,
  });
  const trouble = h('div', {});
  const submit = (event: Event): void => {
    event.preventDefault();
    void attempt(trouble, async () => {
      try {
        await signIn(name.value, password.value);
      } catch (error) {
        password.value = '';
        password.focus();
        throw error;
      }
      await entered();
    });
  };
  put(
    main,
    h(
      'form',
      { class: 'sign-in', onsubmit: submit },
      titleOf(`${texts.product}: ${texts.signIn}`),
      field(texts.userName, name, texts.signInHelp),
      field(texts.password, password),
      trouble,
      h('button', { class: 'main' }, texts.signIn),
    ),
  );
  name.focus();
}
