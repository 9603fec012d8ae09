import { catalogue } from './catalogue.js';
import { maskSecrets } from './secret.js';
import { oneLine } from './text.js';

export type FailureCode = keyof typeof catalogue;
export type Details = Readonly<Record<string, string | number | boolean | undefined>>;

const fill = (template: string, details: Details): string =>
  template.replace(/\{(\w+)\}/g, (_, key: string) => oneLine(String(details[key] ?? '?')));

/** An error of the catalogue: what happened, why (`cause`), what to do. All errors shown to users are Failures. */
export class Failure extends Error {
  readonly code: FailureCode;
  readonly details: Details;

  constructor(code: FailureCode, details: Details = {}, cause?: unknown) {
    super(fill(catalogue[code].what, details), cause === undefined ? {} : { cause });
    this.name = 'Failure';
    this.code = code;
    this.details = masked(details);
  }

  /** The name of the errno with which a file operation fails. */
  get errno(): string {
    return catalogue[this.code].errno;
  }

  get httpStatus(): number {
    return catalogue[this.code].http;
  }

  get level(): 'debug' | 'info' | 'warn' | 'error' {
    return catalogue[this.code].level;
  }

  get remedy(): string {
    return fill(catalogue[this.code].remedy, this.details);
  }

  /** `what: why; what to do`, one line, safe for a terminal. */
  get line(): string {
    const why = this.details.why ?? causeText(this.cause);
    return `${this.message}${why ? `: ${oneLine(String(why))}` : ''}; ${this.remedy}`;
  }
}

/** Masks secrets in details: these are sent to other processes, which do not know the secrets of this one. */
const masked = (details: Details): Details =>
  Object.fromEntries(
    Object.entries(details).map(([key, value]) => [key, typeof value === 'string' ? maskSecrets(value) : value]),
  );

function causeText(cause: unknown): string | undefined {
  if (cause instanceof Failure) return cause.message;
  if (!(cause instanceof Error)) return undefined;
  const code = (cause as NodeJS.ErrnoException).code;
  return cause.message || code || cause.name;
}

/** A failure as sent to another process: the cause is reduced to its text. */
export interface FailureJson {
  readonly code: FailureCode;
  readonly details: Details;
}

export function failureToJson(error: unknown): FailureJson {
  const failure = error instanceof Failure ? error : new Failure('internal', {}, error);
  const why = causeText(failure.cause);
  return { code: failure.code, details: { ...(why ? { why: maskSecrets(why) } : {}), ...failure.details } };
}

export const failureFromJson = ({ code, details }: FailureJson): Failure => new Failure(code, details);

export const isFailure = (error: unknown, code?: FailureCode): error is Failure =>
  error instanceof Failure && (code === undefined || error.code === code);

/** The node errno code (`ENOENT`, `ECONNREFUSED`, …) of an unknown error, if it has one. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
