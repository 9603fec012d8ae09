import { inspect } from 'node:util';

const MASK = '[secret]';

/**
 * A value that must not be seen: it prints, serializes and inspects as `[secret]`.
 * `reveal()` is called only where the value goes onto the wire or into its 0600 file.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
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
