import type { Ran } from '../support/mounted.js';

/** Lines on standard error that are no failure: what commands say beside their work. */
const NOTICE = /^procorefs: (only root can read this mount;|the client secret goes to )/;

/** The command failed as every command must: exit 1, and one line with what, why and what to do. Else: what is wrong. */
export function wrongInRefusal({ code, stdout, stderr }: Ran, what: RegExp): string[] {
  const lines = stderr.split('\n').filter((line) => line !== '' && !NOTICE.test(line));
  const line = lines[0] ?? '';
  const wrong = {
    [`exit ${code}`]: code !== 1,
    'something on standard output': stdout !== '',
    [`${lines.length} lines`]: lines.length !== 1,
    'no "what; what to do"': !/^procorefs: [^;]{8,}; \S.{4,}$/.test(line),
    'not the line expected': !what.test(line),
    'a trace of the inside': /^\s+at |node:|\bundefined\b|internal error|[{][a-z]+[}]/m.test(stderr),
  };
  const found = Object.keys(wrong).filter((key) => wrong[key]);
  return found.length === 0 ? [] : [...found, stderr];
}
