import type { Agent, Dispatcher } from 'undici';
import type { Clock } from '../../base/clock.js';
import type { Secret } from '../../base/secret.js';

/** Observations at the storage of a version. Its requests do not count as API calls. */
export interface StorageLook {
  /** Redirects before the bytes. */
  readonly hops: number;
  readonly status: number;
  readonly etag: boolean;
  /** Lifetime of the URL in seconds, where the URL contains it. */
  readonly lifetime: number | undefined;
}

const MOST_HOPS = 8;

/** Requests the first byte of a version. The token is sent to `trusted` hosts only, and never after a redirect. */
export async function lookAtStorage(
  agent: Agent,
  text: string,
  token: Secret,
  trusted: readonly string[],
  signal: AbortSignal | undefined,
  clock: Clock,
): Promise<StorageLook | undefined> {
  let url = parse(text);
  const lifetime: (number | undefined)[] = [];
  for (let hops = 0; url && hops <= MOST_HOPS; hops++) {
    lifetime.push(lifetimeOf(url, Math.floor(clock.now() / 1000)));
    const mayAuthorize: boolean =
      hops === 0 && (trusted.includes(url.host) || /^https:\/\/([\w-]+\.)*procore\.com\//.test(url.href));
    const reply: Dispatcher.ResponseData = await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'GET',
      headers: {
        'user-agent': 'procorefs',
        range: 'bytes=0-0',
        ...(mayAuthorize ? { authorization: `Bearer ${token.reveal()}` } : {}),
      },
      ...(signal ? { signal } : {}),
    });
    await reply.body.dump({ limit: 1024 }).catch(() => undefined);
    const { statusCode: status, headers } = reply;
    const location = status > 300 && status < 309 ? headers.location : undefined;
    if (location === undefined)
      return {
        hops,
        status,
        etag: headers.etag !== undefined,
        lifetime: lifetime.findLast((one) => one !== undefined),
      };
    url = parse(new URL(String(location), url).href);
  }
  return undefined;
}

/** Sends a single upload, and returns the storage's status. It carries no token. */
export async function sendUpload(
  agent: Agent,
  announced: { readonly url: string; readonly fields: Readonly<Record<string, string>> },
  content: Buffer,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const url = parse(announced.url);
  if (!url) return undefined;
  const form = new FormData();
  for (const [name, value] of Object.entries(announced.fields)) form.append(name, value);
  form.append('file', new Blob([new Uint8Array(content)]), 'file');
  const body = new Response(form);
  const reply = await agent.request({
    origin: url.origin,
    path: url.pathname + url.search,
    method: 'POST',
    headers: { 'user-agent': 'procorefs', 'content-type': body.headers.get('content-type') ?? '' },
    body: Buffer.from(await body.arrayBuffer()),
    ...(signal ? { signal } : {}),
  });
  await reply.body.dump().catch(() => undefined);
  return reply.statusCode;
}

/** `X-Amz-Expires` and similar parameters are a number of seconds; a large number is a time. */
function lifetimeOf(url: URL, now: number): number | undefined {
  for (const [name, value] of url.searchParams) {
    if (!/^(x-amz-expires|x-goog-expires|expires)$/i.test(name) || !/^\d{1,12}$/.test(value)) continue;
    const seconds = Number(value);
    return seconds < 1e8 ? seconds : Math.max(0, seconds - now);
  }
  return undefined;
}

function parse(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return url.protocol === 'https:' || url.protocol === 'http:' ? url : undefined;
}
