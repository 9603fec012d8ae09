import { maskSecrets } from './secret.js';

/**
 * Makes untrusted text (a remote name, a server's message) safe for one line of a terminal or a log: control
 * characters, line separators and bidirectional overrides become `\xNN` or `\u{NNNN}`, and this process's secrets are
 * masked.
 */
export function oneLine(text: string, limit = 500): string {
  const safe = maskSecrets(text).replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (c) => {
      const code = c.codePointAt(0) ?? 0;
      return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
    },
  );
  return safe.length > limit ? `${safe.slice(0, limit - 1)}…` : safe;
}
