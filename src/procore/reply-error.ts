import { Failure, type FailureCode } from '../base/errors.js';
import { oneLine } from '../base/text.js';
import type { CallContext, HttpReply } from './transport/exchange.js';

/** The content of an error reply, for callers that must tell refusals apart (a taken name from an invalid one). */
export class ReplyError extends Error {
  readonly status: number;
  /** Texts by field; texts without a field are under `base`. */
  readonly errors: Readonly<Record<string, readonly string[]>>;
  /** The body, when it was JSON. */
  readonly body: unknown;

  constructor(status: number, errors: Record<string, string[]>, body: unknown) {
    super(describe(errors) || `HTTP ${status}`);
    this.name = 'ReplyError';
    this.status = status;
    this.errors = errors;
    this.body = body;
  }
}

/** Context of a call, for the text of its failure. */
export interface FailureContext {
  readonly host: string;
  /** The connection's name. */
  readonly connection: string;
  readonly project: number | undefined;
  /** The item that a 404 refers to: "folder 12". */
  readonly subject: string | undefined;
}

/** The Failure for an error reply (status ≥ 400). Its `cause` is a `ReplyError`. */
export function replyFailure(reply: HttpReply, call: CallContext, context: FailureContext): Failure {
  const body = parse(reply.body.bytes);
  const error = new ReplyError(reply.status, errorTexts(body), body);
  const why = describe(error.errors);
  const general = { host: context.host, call: call.label, status: reply.status, why: why || undefined };
  const fail = (code: FailureCode, details: Record<string, string | number | undefined>): Failure =>
    new Failure(code, { ...details, why: why || undefined, status: reply.status }, error);

  // The server may send this error as plain text.
  if (/missing procore-company-id/i.test(reply.body.bytes.toString('latin1', 0, 2000)))
    return fail('company-needed', {});
  switch (reply.status) {
    case 401:
      return fail('signed-out', { name: context.connection });
    case 403:
      if (/not connected to this company/i.test(why))
        return fail('app-not-installed', { company: call.companyId ?? 'of this account' });
      if (context.project !== undefined) {
        if (/\bproject\b/i.test(why) && !/\btool\b/i.test(why))
          return fail('project-not-permitted', { project: context.project });
        if (!/\bthis (folder|file|document|item)\b/i.test(why))
          return fail('tool-not-permitted', { project: context.project });
      }
      return fail('not-permitted', {
        what: context.subject ?? call.label,
        hint: 'ask an administrator of the company for the permission',
      });
    case 404:
      return fail('gone', { what: context.subject ?? call.label });
    case 429:
      return fail('budget-exhausted', { until: 'the server permits calls again' });
    default:
      return fail(reply.status >= 500 || reply.status === 408 ? 'server-error' : 'request-refused', general);
  }
}

/** Maximum bytes of an error that are parsed; a larger body is no error text for people. */
const MOST_OF_AN_ERROR_BYTES = 256 * 1024;

function parse(body: Buffer): unknown {
  if (body.length > MOST_OF_AN_ERROR_BYTES) return undefined;
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Reads `errors`, `error` and `message`, each a text, an array or a (nested) map, and `error_description`: the form of
 * the API's errors. A body of any other form is not read, so that nothing of it is shown.
 */
export function errorTexts(body: unknown): Record<string, string[]> {
  const found: Record<string, string[]> = Object.create(null);
  const add = (field: string, value: unknown, depth: number): void => {
    if (depth > 4 || value === null || value === undefined) return;
    if (Array.isArray(value)) for (const one of value.slice(0, 20)) add(field, one, depth + 1);
    else if (typeof value === 'object')
      for (const [key, inner] of Object.entries(value).slice(0, 20))
        add(depth === 0 || field === 'base' ? key : `${field}.${key}`, inner, depth + 1);
    else (found[field] ??= []).push(oneLine(String(value), 300));
  };
  if (body !== null && typeof body === 'object' && !Array.isArray(body)) {
    const { errors, error, message, error_description: description } = body as Record<string, unknown>;
    for (const value of [errors, error, message, description]) add('base', value, 0);
  }
  return found;
}

const describe = (errors: Readonly<Record<string, readonly string[]>>): string =>
  Object.entries(errors)
    .map(([field, texts]) => (field === 'base' ? '' : `${field}: `) + texts.join(', '))
    .join('; ')
    .slice(0, 200);
