import { inspect } from 'node:util';

const MASK = '[secret]';

/** The most secrets that are masked in texts (the latest), and the least length: shorter ones would match words. */
const MOST_KNOWN = 256;
const SHORTEST_KNOWN = 8;
const known = new Set<string>();

function remember(value: string): void {
  // Via a buffer, which replaces lone surrogates: encodeURIComponent would throw.
  const inAddress = encodeURIComponent(Buffer.from(value).toString());
  for (const form of new Set([value, inAddress])) {
    if (form.length < SHORTEST_KNOWN) continue;
    known.delete(form);
    known.add(form);
  }
  for (const oldest of known) {
    if (known.size <= MOST_KNOWN) break;
    known.delete(oldest);
  }
}

/** Masks the secrets of this process in a text: the error message of a server may repeat what it was sent. */
export function maskSecrets(text: string): string {
  let masked = text;
  for (const value of known) if (masked.includes(value)) masked = masked.replaceAll(value, MASK);
  return masked;
}

/**
 * A value that must not be shown: it prints, serializes and inspects as `[secret]`. `reveal()` is called only to send
 * the value over the network or to write it to its 0600 file.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
    remember(value);
  }

  reveal(): string {
    return this.#value;
  }

  equals(other: Secret | undefined): boolean {
    return this.#value === other?.reveal();
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}

/** A URL without the parts that can carry secrets: user, password, query and fragment. */
export function redactUrl(url: string): string {
  try {
    const parsed = new URL(url);
    return `${parsed.origin}${parsed.pathname}${parsed.search ? '?[redacted]' : ''}`;
  } catch {
    return '[not a URL]';
  }
}
