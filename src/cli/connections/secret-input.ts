import { readFileSync } from 'node:fs';
import { Failure } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';
import { askHidden, type StandardInput } from '../terminal.js';

/**
 * The client secret from where a person says; it never stands in the command line, where `ps` would show it.
 * @throws Failure `usage`
 */
export async function readClientSecret(from: string, input: StandardInput): Promise<Secret> {
  if (from === 'prompt' || (from === '-' && process.stdin.isTTY)) {
    const secret = await askHidden('client secret: ');
    if (secret.reveal() === '') throw unreadable('the terminal', new Error('it is empty'));
    return secret;
  }
  if (from === '-') {
    const secret = (await input.line())?.trim();
    if (!secret) throw unreadable('-', new Error('it is empty'));
    return new Secret(secret);
  }
  try {
    const secret = readFileSync(from, 'utf8').trim();
    if (secret === '') throw new Error('it is empty');
    return new Secret(secret);
  } catch (error) {
    throw unreadable(from, error);
  }
}

const unreadable = (from: string, cause: unknown): Failure =>
  new Failure('usage', { what: `no client secret can be read from ${from}` }, cause);
