import { spawn } from 'node:child_process';
import { Failure } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';
import { signInByCode, signInByRedirect } from '../../connections/authorization-code.js';
import type { Granted, OAuthClient } from '../../connections/oauth.js';
import { RedirectListener } from '../../connections/redirect-listener.js';
import type { CommandContext } from '../command.js';
import { numberFlag } from '../flags.js';
import { askHidden, type StandardInput } from '../terminal.js';

const say = (text: string): void => void process.stderr.write(`${text}\n`);

/**
 * Runs the sign-in of a user in the browser. Ctrl-C and the time limit end it cleanly.
 * @throws Failure `sign-in-expired`, `sign-in-taken`, `interrupted`, `redirect-port-busy`, or a failure of the sign-in
 */
export async function signIn(context: CommandContext, client: OAuthClient, input: StandardInput): Promise<Granted> {
  const seconds = numberFlag(context, 'timeout') ?? 600;
  const port = numberFlag(context, 'port') ?? 0;
  if (port > 65_535) throw new Failure('usage', { what: `--port ${port} is no port` });
  const ending = new AbortController();
  const { signal } = ending;
  const limit = setTimeout(() => ending.abort(new Failure('sign-in-expired', { seconds })), seconds * 1000);
  const interrupt = (): void => ending.abort(new Failure('interrupted'));
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, interrupt);
  try {
    if (context.flags.browser === false)
      return await signInByCode(client, showForCode, (stop) => askCode(input, stop), signal);
    const listener = await RedirectListener.open(port);
    try {
      const taken = (): void => ending.abort(new Failure('sign-in-taken'));
      const show = (url: string): void => showAndOpen(url, listener.passage(url, taken));
      return await signInByRedirect(client, listener, show, signal);
    } finally {
      await listener.close();
    }
  } finally {
    clearTimeout(limit);
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(name, interrupt);
  }
}

/** @param passage redirects to `url`, which must not appear in a command line: it ties the sign-in to this user */
function showAndOpen(url: string, passage: string): void {
  say('Sign in with Procore in the browser that opens. If none does, open this address on this machine:\n');
  say(`  ${url}\n`);
  say('(on a machine without a browser, stop with Ctrl-C and add --no-browser)');
  // The output of the browser is discarded; if none opens, the user sees that.
  const browser = spawn('xdg-open', [passage], { detached: true, stdio: 'ignore' });
  browser.once('error', () => undefined);
  browser.unref();
}

function showForCode(url: string): void {
  say('Open this address in a browser, on any machine, and allow the app:\n');
  say(`  ${url}\n`);
}

async function askCode(input: StandardInput, signal: AbortSignal): Promise<Secret> {
  if (process.stdin.isTTY) {
    const code = await askHidden('then paste the code that is shown: ', signal);
    if (code.reveal() !== '') return code;
  } else {
    const line = (await input.line(signal))?.trim();
    if (line) return new Secret(line);
  }
  throw new Failure('usage', { what: 'no authorization code was given' });
}
