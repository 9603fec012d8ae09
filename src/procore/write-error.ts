import { Failure, type FailureCode, isFailure } from '../base/errors.js';
import { oneLine } from '../base/text.js';
import { ReplyError } from './reply-error.js';

/** The attempted write, for the text of a refusal. */
export interface WriteContext {
  readonly type: 'file' | 'folder';
  /** `file 12`, `folder "Plans"` */
  readonly what: string;
  readonly name?: string | undefined;
  /** Id of the destination folder, if the write names one. */
  readonly parent?: number | undefined;
  /** The write changes an item that exists already. */
  readonly existing: boolean;
  /** The write has content: by the uuid of an upload, or as an announcement. */
  readonly brings?: 'upload' | 'content';
}

/** Texts of the server that identify the rule, where neither status nor field does. */
const TAKEN = /already (been )?(taken|exists?|in use)|must be unique|duplicate/i;
const CHECKED_OUT = /check(ed|ing)?[ -]?out|locked by/i;
const HOLDER = /(?:checked[ -]?out|locked) by (.{1,200}?)\.?$/i;
const PARENT = /parent|folder/i;
const ABSENT = /not found|not exist|n't exist|is invalid|is missing/i;
const UPLOAD = /upload/i;
const EMPTY = /\bempty\b|greater than 0|zero bytes/i;
const NAME = /\bname\b|extension|file ?type|character/i;

const REFUSALS = [400, 404, 409, 422];

/**
 * The Failure for a refused write: the violated rule of the server is found from the status, the named fields and the
 * texts. Any error other than a refusal of this write is returned unchanged.
 */
export function writeFailure(error: unknown, context: WriteContext): unknown {
  if (!isFailure(error) || !(error.cause instanceof ReplyError) || error.code === 'reply-lost') return error;
  const reply = error.cause;
  const { status } = reply;
  if (![403, ...REFUSALS].includes(status) || error.code === 'app-not-installed' || error.code === 'company-needed')
    return error;

  const texts = Object.entries(reply.errors).flatMap(([field, words]) =>
    words.map((text) => ({ field: field.slice(field.lastIndexOf('.') + 1), text })),
  );
  const names = (...fields: string[]): boolean => texts.some(({ field }) => fields.includes(field));
  const says = (pattern: RegExp): boolean => texts.some(({ text }) => pattern.test(text));
  const { what } = context;
  const fail = (code: FailureCode, details: Record<string, string | number | undefined>): Failure =>
    new Failure(code, { why: error.details.why, ...details, status }, reply);

  const taken = says(TAKEN);
  if (!taken && !names('checked_out_until') && isHeld(reply, says(CHECKED_OUT), context))
    return fail('checked-out', { what, holder: 'another person', ...holderOf(reply, texts) });
  if (status === 403)
    return fail('not-permitted', {
      what: `this account to change ${context.what}`,
      hint: 'ask for the permission in Procore',
    });
  if (taken) return fail('name-taken', { name: context.name ?? context.what });
  if (context.brings === 'upload' && (names('upload_uuid') || says(UPLOAD))) return fail('upload-unknown', { what });
  if (context.brings && !names('name', 'response_filename') && says(EMPTY)) return fail('content-refused', { what });
  const noParent = context.parent !== undefined && (names('parent_id') || says(PARENT)) && says(ABSENT);
  if (noParent || (status === 404 && !context.existing))
    return fail('gone', { what: `folder ${context.parent}`, missing: 'parent' });
  if (status === 404) return fail('gone', { what, missing: context.parent === undefined ? 'item' : 'either' });
  if (context.name !== undefined && (names('name', 'response_filename') || says(NAME)))
    return fail('name-refused', { name: context.name });
  return error;
}

/**
 * The cause of a 409 is not documented: the file's state in the reply decides, and without it the more likely cause.
 */
function isHeld(reply: ReplyError, says: boolean, context: WriteContext): boolean {
  if (!context.existing || context.type === 'folder' || reply.status === 404) return false;
  const holder = fileOf(reply)?.checked_out_by;
  return says || (reply.status === 409 && holder !== null);
}

interface FileOfConflict {
  readonly checked_out_by?: unknown;
  readonly checked_out_until?: unknown;
}

const fileOf = (reply: ReplyError): FileOfConflict | undefined => {
  const file = (reply.body as { file?: unknown } | undefined)?.file;
  return typeof file === 'object' && file !== null ? file : undefined;
};

/**
 * Who has checked out the file, and until when (in the server's spelling): from the file in the reply, else from its
 * text.
 */
function holderOf(reply: ReplyError, texts: readonly { readonly text: string }[]): { holder?: string; until?: string } {
  const { checked_out_by: by, checked_out_until: until } = fileOf(reply) ?? {};
  const person = by as { name?: unknown; login?: unknown } | string | null | undefined;
  const name = typeof person === 'string' ? person : (person?.name ?? person?.login);
  const words = texts.map(({ text }) => HOLDER.exec(text)?.[1]).find((match) => match !== undefined);
  const holder = typeof name === 'string' ? name : words;
  return {
    ...(holder === undefined ? {} : { holder: oneLine(holder, 200) }),
    ...(typeof until === 'string' ? { until: oneLine(until, 40) } : {}),
  };
}
