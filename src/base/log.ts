import { closeSync, openSync, writeSync } from 'node:fs';
import { type Logger, pino } from 'pino';
import { Failure } from './errors.js';
import { maskSecrets, redactUrl } from './secret.js';
import { oneLine } from './text.js';

export type Log = Logger;
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Keys whose values never reach a log, at any depth. */
const SECRET_KEYS =
  /^(authorization|access_token|refresh_token|client_secret|password|code|cookie|set-cookie|url|sig)$/i;

/** A copy of `value` that is safe to write: secrets masked, URLs without their query, text on one line. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return oneLine(/^https?:\/\//.test(value) ? redactUrl(value) : value, 2000);
  if (value instanceof Error) return describeError(value);
  if (Array.isArray(value)) return depth > 6 ? '[deep]' : value.slice(0, 100).map((v) => redact(v, depth + 1));
  if (value === null || typeof value !== 'object') return value;
  if ('toJSON' in value && typeof value.toJSON === 'function') return redact(value.toJSON(), depth + 1);
  if (depth > 6) return '[deep]';
  return Object.fromEntries(
    Object.entries(value).map(([k, v]) => [k, SECRET_KEYS.test(k) ? '[secret]' : redact(v, depth + 1)]),
  );
}

function describeError(error: Error): unknown {
  if (error instanceof Failure) return { code: error.code, line: error.line };
  const code = (error as NodeJS.ErrnoException).code;
  return {
    message: oneLine(error.message.replace(/https?:\/\/\S+/g, redactUrl), 2000),
    ...(code ? { code } : {}),
    ...(error.stack ? { stack: maskSecrets(error.stack).replace(/https?:\/\/\S+/g, redactUrl) } : {}),
    ...(error.cause instanceof Error ? { cause: describeError(error.cause) } : {}),
  };
}

export interface LogFile {
  readonly log: Log;
  close(): void;
}

/**
 * A log of JSON lines, appended to `path` (created 0600), or written to standard error without one.
 * @throws Failure `state-unwritable`
 */
export function openLog(level: LogLevel, path?: string): LogFile {
  const fd = path === undefined ? 2 : openForAppending(path);
  const destination = {
    write(line: string): void {
      try {
        writeSync(fd, line);
      } catch {
        // A full disk must not end the daemon: the line is lost, and the mount continues.
      }
    },
  };
  const log = pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { log: (fields) => redact(fields) as Record<string, unknown> },
    },
    destination,
  );
  return { log, close: () => fd !== 2 && closeSync(fd) };
}

/** A file for lines of a log, created 0600. @throws Failure `state-unwritable` */
export function openForAppending(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (error) {
    throw new Failure('state-unwritable', { path }, error);
  }
}

export const silentLog: Log = pino({ level: 'silent' });
