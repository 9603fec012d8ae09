import { bearer, forget, type Granted, isSignedIn, keep, renew } from './access.js';
import { texts } from './texts.js';

/** A failed call, with the error message of the service. */
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

let signedOut: () => void = () => undefined;

/** Sets the function to call when the service no longer accepts the sign-in. */
export function whenSignedOut(act: () => void): void {
  signedOut = act;
}

async function request(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  try {
    return await fetch(path, {
      method,
      ...(signal ? { signal } : {}),
      headers: { ...bearer(), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      credentials: 'omit',
      cache: 'no-store',
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new CallFailed(0, texts.serviceGone);
  }
}

async function send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  let response = await request(method, path, body, signal);
  if (response.status === 401 && (await renew(grant))) response = await request(method, path, body, signal);
  if (response.ok) return response;
  const { errors } = (await response.json().catch(() => ({}))) as {
    errors?: { description: string; remedy?: string }[];
  };
  if (response.status === 401 && isSignedIn()) {
    forget();
    signedOut();
  }
  throw new CallFailed(response.status, errors?.[0]?.description ?? texts.status(response.status), errors?.[0]?.remedy);
}

const json = async (response: Response): Promise<Row> => (await response.json()) as Row;

/** Sends a request; returns the object in the reply. */
export async function call(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Row> {
  const reply = await json(await send(method, path, body, signal));
  return typeof reply.type === 'string' && reply.type in reply ? reply[reply.type] : reply;
}

export const read = (path: string, signal?: AbortSignal): Promise<Row> => call('GET', path, undefined, signal);

/** Requests one page of a list. */
export async function list(
  path: string,
  words: Readonly<Record<string, string | number | undefined>> = {},
  signal?: AbortSignal,
): Promise<{ readonly rows: readonly Row[]; readonly meta: Meta }> {
  const reply = await json(await send('GET', address(path, words), undefined, signal));
  return { rows: reply[reply.type] as Row[], meta: reply.meta as Meta };
}

/** A path with its query string; empty parameters are omitted. */
export function address(path: string, words: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(words))
    if (value !== undefined && value !== '') query.set(key, String(value));
  return query.size === 0 ? path : `${path}?${query}`;
}

/** Saves the body of a reply as a file. */
export async function download(path: string, name: string): Promise<void> {
  const url = URL.createObjectURL(await (await send('GET', path)).blob());
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

async function askToken(words: Readonly<Record<string, string>>): Promise<Response> {
  try {
    return await fetch('/connect/token', { method: 'POST', body: new URLSearchParams(words), credentials: 'omit' });
  } catch {
    throw new CallFailed(0, texts.serviceGone);
  }
}

async function grant(words: Readonly<Record<string, string>>): Promise<Granted | undefined> {
  const response = await askToken(words);
  return response.ok ? ((await response.json()) as Granted) : undefined;
}

/** @throws CallFailed */
export async function signIn(username: string, password: string): Promise<void> {
  const scope = 'profile roles offline_access';
  const response = await askToken({ grant_type: 'password', username, password, scope });
  const reply = await json(response);
  if (!response.ok) throw new CallFailed(response.status, reply.error_description ?? texts.status(response.status));
  keep(reply as Granted);
}

export async function signOut(): Promise<void> {
  try {
    await send('GET', '/connect/logout');
  } finally {
    forget();
    signedOut();
  }
}

/** The error message and the hint what to do about it. */
export const reasonOf = (error: unknown): string =>
  error instanceof CallFailed && error.remedy && !error.message.includes(error.remedy)
    ? `${error.message} (${error.remedy})`
    : error instanceof Error
      ? error.message
      : String(error);
