import { texts } from './texts.js';

/** Why a call failed, in the service's own words. */
export class CallFailed extends Error {
  readonly status: number;
  readonly remedy: string;

  constructor(status: number, message: string, remedy = '') {
    super(message);
    this.status = status;
    this.remedy = remedy;
  }
}

export interface Meta {
  readonly offset: number;
  readonly limit: number;
  readonly total_count: number;
  readonly has_more: boolean;
}

/** One row as the service sends it. */
// biome-ignore lint/suspicious/noExplicitAny: the page shows what the service documents in its OpenAPI document
export type Row = any;

const KEY = 'procorefs-token';
let signedOut: () => void = () => undefined;

/** Called when the service no longer knows who asks. */
export function whenSignedOut(act: () => void): void {
  signedOut = act;
}

/** In this tab alone, until it is closed. */
const token = (): string | null => sessionStorage.getItem(KEY);

/** The header by which the service knows who asks. */
export function bearer(): Record<string, string> {
  const own = token();
  return own ? { authorization: `Bearer ${own}` } : {};
}

async function send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      ...(signal ? { signal } : {}),
      headers: {
        ...bearer(),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      credentials: 'omit',
      cache: 'no-store',
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new CallFailed(0, texts.serviceGone);
  }
  if (response.ok) return response;
  const { errors } = (await response.json().catch(() => ({}))) as {
    errors?: { description: string; remedy?: string }[];
  };
  const failed = new CallFailed(
    response.status,
    errors?.[0]?.description ?? texts.status(response.status),
    errors?.[0]?.remedy,
  );
  if (response.status === 401 && token()) {
    sessionStorage.removeItem(KEY);
    signedOut();
  }
  throw failed;
}

const json = async (response: Response): Promise<Row> => (await response.json()) as Row;

/** The object of a reply that holds one. */
export async function call(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Row> {
  const reply = await json(await send(method, path, body, signal));
  return typeof reply.type === 'string' && reply.type in reply ? reply[reply.type] : reply;
}

export const read = (path: string, signal?: AbortSignal): Promise<Row> => call('GET', path, undefined, signal);

/** A page of a list. */
export async function list(
  path: string,
  words: Readonly<Record<string, string | number | undefined>> = {},
  signal?: AbortSignal,
): Promise<{ readonly rows: readonly Row[]; readonly meta: Meta }> {
  const reply = await json(await send('GET', address(path, words), undefined, signal));
  return { rows: reply[reply.type] as Row[], meta: reply.meta as Meta };
}

/** A path with its query; empty words are left out. */
export function address(path: string, words: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(words))
    if (value !== undefined && value !== '') query.set(key, String(value));
  return query.size === 0 ? path : `${path}?${query}`;
}

/** Saves what the service sends as a file. */
export async function download(path: string, name: string): Promise<void> {
  const url = URL.createObjectURL(await (await send('GET', path)).blob());
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export async function signIn(username: string, password: string): Promise<void> {
  const response = await fetch('/connect/token', {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'password', username, password, scope: 'profile roles' }),
    credentials: 'omit',
  }).catch(() => undefined);
  if (!response) throw new CallFailed(0, texts.serviceGone);
  const reply = await json(response);
  if (!response.ok) throw new CallFailed(response.status, reply.error_description ?? texts.status(response.status));
  sessionStorage.setItem(KEY, reply.access_token);
}

export async function signOut(): Promise<void> {
  try {
    await send('GET', '/connect/logout');
  } finally {
    sessionStorage.removeItem(KEY);
    signedOut();
  }
}

/** What went wrong, and what to do about it. */
export const reasonOf = (error: unknown): string =>
  error instanceof CallFailed && error.remedy && !error.message.includes(error.remedy)
    ? `${error.message} (${error.remedy})`
    : error instanceof Error
      ? error.message
      : String(error);
