import type { IncomingMessage, ServerResponse } from 'node:http';
import { pump } from '../http/body.js';
import { bearer } from '../login/login.js';
import { mix } from '../random.js';
import type { World } from '../world.js';
import { byteRange } from './range.js';
import { refuse, storageFaults } from './refusals.js';

/** Serves a signed download URL: GET only, without Authorization, until it expires. */
export async function download(
  world: World,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const { faults, counters, switches } = world;
  counters.storage.requests++;
  const hit = (name: Parameters<typeof faults.hit>[0]) => faults.hit(name, 'storage', `GET ${url.pathname}`);
  if (await storageFaults(world, request, response, `GET ${url.pathname}`)) return;
  if (request.headers.authorization !== undefined) {
    return refuse(
      world,
      response,
      400,
      'InvalidArgument',
      'Only one auth mechanism allowed; only the signature or the Authorization header',
    );
  }
  if (request.method !== 'GET') {
    return refuse(world, response, 403, 'SignatureDoesNotMatch', 'The request signature does not match the method');
  }
  const verdict = world.signer.check(url);
  if (hit('url-expired')) {
    world.signer.end(url);
    return refuse(world, response, 403, 'AccessDenied', 'Request has expired');
  }
  if (!verdict.ok) {
    const [code, text] =
      verdict.why === 'expired'
        ? ['AccessDenied', 'Request has expired']
        : ['SignatureDoesNotMatch', 'The signature does not match'];
    return refuse(world, response, 403, code, text);
  }
  const { project: index, version } = verdict.signed;
  const project = world.projectByIndex(index)!;
  const hop = Number(url.searchParams.get('hop') ?? 0);
  if (hop > 0) return redirect(response, 302, next(world, url, hop));

  const etag = `"${[1, 2, 3, 4].map((n) => mix(mix(index, version), n).toString(16).padStart(8, '0')).join('')}"`;
  const { 'if-match': match, 'if-none-match': noneMatch, 'if-range': ifRange } = request.headers;
  if (match !== undefined && match !== '*' && !match.includes(etag)) {
    return refuse(
      world,
      response,
      412,
      'PreconditionFailed',
      'At least one of the pre-conditions you specified did not hold',
    );
  }
  if (noneMatch?.includes(etag)) {
    response.writeHead(304, { ETag: etag });
    return void response.end();
  }
  const wrong = hit('wrong-size');
  const size = Math.max(0, project.store.versionSize.get(version) - (wrong ? (wrong.bytes ?? 1) : 0));
  const ignored =
    switches.is('storage-range', 'ignored') || (ifRange !== undefined && ifRange !== etag) || hit('range-ignored');
  const range = ignored ? undefined : byteRange(request.headers.range, size);
  if (range === 'unsatisfiable') {
    response.setHeader('Content-Range', `bytes */${size}`);
    return refuse(world, response, 416, 'InvalidRange', 'The requested range is not satisfiable');
  }
  const { start, end } = range ?? { start: 0, end: size };
  response.sendDate = false;
  response.writeHead(range ? 206 : 200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': end - start,
    ...(range ? { 'Content-Range': `bytes ${start}-${end - 1}/${size}` } : {}),
    ...(switches.is('storage-etag', 'present') ? { ETag: etag } : {}),
    ...(switches.is('storage-range', 'ignored') ? {} : { 'Accept-Ranges': 'bytes' }),
    'Last-Modified': new Date(project.store.versionCreated.get(version) * 1000).toUTCString(),
    Date: new Date(world.clock.now()).toUTCString(),
    Server: 'AmazonS3',
  });
  const cut = hit('truncated-body');
  const until = cut ? start + Math.floor((end - start) / 2) : end;
  let left = until - start;
  await pump(world.contents.read(index, project.store, version, start, until), response, (bytes) => {
    counters.storage.bytes += bytes;
    left -= bytes;
  });
  if (cut || left > 0) response.destroy();
  else response.end();
}

/** Serves a download URL on the API host: needs the token, redirects to the storage, does not count as an API call. */
export function redirectDownload(world: World, request: IncomingMessage, response: ServerResponse, url: URL): void {
  const { good } = world.accounts.check(bearer(request) ?? '');
  if (!good) {
    response.writeHead(401, { 'Content-Length': 0 });
    return void response.end();
  }
  const form = world.switches.get('url-form');
  const hops = form === 'redirects-6' ? 6 : form === 'redirects-5' ? 5 : 1;
  const signed = new URL(world.origins.storage + url.pathname.slice('/download'.length) + url.search);
  redirect(response, 302, next(world, signed, hops));
}

const STATUSES = [301, 302, 303, 307, 308];

/** The target of a redirect; `hops` is the number of redirects left, including this one. */
function next(world: World, url: URL, hops: number): URL {
  const target = new URL(url.pathname + url.search, world.origins.storage);
  if (hops > 1) target.searchParams.set('hop', String(hops - 1));
  else target.searchParams.delete('hop');
  return target;
}

function redirect(response: ServerResponse, status: number, target: URL): void {
  const hop = Number(target.searchParams.get('hop') ?? 0);
  response.writeHead(STATUSES[hop % STATUSES.length] ?? status, { Location: target.href, 'Content-Length': 0 });
  response.end();
}
