import { readFileSync } from 'node:fs';
import { Failure } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';
import { askHidden, type StandardInput } from '../terminal.js';

/**
 * Reads a secret from the given source. A secret is never a command-line argument, where `ps` would show it.
 * @throws Failure `usage`
 */
export async function readClientSecret(from: string, input: StandardInput, what = 'client secret'): Promise<Secret> {
  if (from === 'prompt' || (from === '-' && process.stdin.isTTY)) {
    const secret = await askHidden(`${what}: `);
    if (secret.reveal() === '') throw unreadable(what, 'the terminal', new Error('it is empty'));
    return secret;
  }
  if (from === '-') {
    const secret = (await input.line())?.trim();
    if (!secret) throw unreadable(what, '-', new Error('it is empty'));
    return new Secret(secret);
  }
  try {
    const secret = readFileSync(from, 'utf8').trim();
    if (secret === '') throw new Error('it is empty');
    return new Secret(secret);
  } catch (error) {
    throw unreadable(what, from, error);
  }
}

const unreadable = (what: string, from: string, cause: unknown): Failure =>
  new Failure('usage', { what: `no ${what} can be read from ${from}` }, cause);
