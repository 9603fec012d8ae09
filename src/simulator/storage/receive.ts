import { createHash, type Hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sizeOf } from '../content/contents.js';
import { boundaryOf, FormError, multipart, textOf } from '../http/multipart.js';
import type { World } from '../world.js';
import { refuse, storageFaults } from './refusals.js';
import type { Segment, Upload } from './uploads.js';

/** The storage's upload addresses: `POST /upload/UUID` (a form), `PUT /upload/UUID/N` (a segment). */
export async function receive(
  world: World,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  world.counters.storage.uploads++;
  if (await storageFaults(world, request, response, `${request.method} ${url.pathname}`)) return;
  if (request.headers.authorization !== undefined) {
    return end(world, request, response, 400, 'InvalidArgument', 'Only one auth mechanism allowed');
  }
  const [, , uuid = '', number] = url.pathname.split('/');
  const upload = world.uploads.find(uuid);
  if (!upload || url.searchParams.get('key') !== upload.key) {
    return end(world, request, response, 403, 'SignatureDoesNotMatch', 'The signature does not match');
  }
  if (!world.uploads.isOpen(upload)) {
    return end(world, request, response, 403, 'AccessDenied', 'Invalid according to Policy: Policy expired.');
  }
  const segment = number === undefined ? undefined : upload.segments[Number(number)];
  if (request.method === 'POST' && upload.segments.length === 0) {
    try {
      await single(world, request, response, upload);
    } catch (error) {
      if (!(error instanceof FormError)) throw error;
      end(world, request, response, 400, 'MalformedPOSTRequest', error.message);
    }
  } else if (request.method === 'PUT' && segment) await put(world, request, response, segment);
  else end(world, request, response, 405, 'MethodNotAllowed', 'The specified method is not allowed');
}

async function single(world: World, request: IncomingMessage, response: ServerResponse, upload: Upload): Promise<void> {
  const boundary = boundaryOf(request.headers['content-type']);
  if (boundary === undefined) {
    return end(
      world,
      request,
      response,
      412,
      'PreconditionFailed',
      'Bucket POST must be of the enclosure-type multipart/form-data',
    );
  }
  const missing = new Map(Object.entries(upload.fields));
  let etag = '';
  for await (const part of multipart(request, boundary)) {
    if (part.name !== 'file') {
      const text = await textOf(part);
      if (missing.get(part.name) !== text) {
        return end(
          world,
          request,
          response,
          403,
          'AccessDenied',
          `Invalid according to Policy: ["eq", "$${part.name}"]`,
        );
      }
      missing.delete(part.name);
      continue;
    }
    if (missing.size > 0) {
      const names = [...missing.keys()].join(', ');
      return end(world, request, response, 403, 'AccessDenied', `Missing before the file: ${names}`);
    }
    const md5 = createHash('md5');
    const given = await keep(world, part.body, [md5]);
    const size = sizeOf(given);
    if (upload.size !== undefined && size !== upload.size) {
      const code = size > upload.size ? 'EntityTooLarge' : 'EntityTooSmall';
      return end(world, request, response, 400, code, `Your proposed upload is not of ${upload.size} bytes`);
    }
    upload.given = given;
    upload.status = 'complete';
    etag = `"${md5.digest('hex')}"`;
  }
  if (etag === '')
    return end(world, request, response, 400, 'InvalidArgument', 'POST requires exactly one file upload');
  const status = world.switches.number('upload-status');
  response.writeHead(status, { ETag: etag, 'Content-Length': 0, Server: 'AmazonS3' });
  response.end();
}

async function put(world: World, request: IncomingMessage, response: ServerResponse, segment: Segment): Promise<void> {
  for (const [name, value] of Object.entries(segmentHeaders(segment))) {
    if (request.headers[name.toLowerCase()] !== value) {
      return end(world, request, response, 403, 'SignatureDoesNotMatch', `The header ${name} does not match`);
    }
  }
  if (request.headers['content-type'] !== 'application/octet-stream') {
    return end(world, request, response, 403, 'SignatureDoesNotMatch', 'The header Content-Type does not match');
  }
  if (request.headers['content-length'] === undefined) {
    return end(
      world,
      request,
      response,
      411,
      'MissingContentLength',
      'You must provide the Content-Length HTTP header',
    );
  }
  if (Number(request.headers['content-length']) !== segment.size) {
    return end(world, request, response, 400, 'EntityTooSmall', `This segment has ${segment.size} bytes`);
  }
  const [md5, sha256] = [createHash('md5'), createHash('sha256')];
  const given = await keep(world, request, [md5, sha256]);
  if (md5.digest('hex') !== segment.md5 || sha256.digest('hex') !== segment.sha256) {
    return end(
      world,
      request,
      response,
      400,
      'BadDigest',
      'The Content-MD5 you specified did not match what we received.',
    );
  }
  segment.given = given;
  response.writeHead(200, { ETag: `"${segment.md5}"`, 'Content-Length': 0, Server: 'AmazonS3' });
  response.end();
}

/** The headers that the client must send with a segment, as the reply to the announcement lists them. */
export function segmentHeaders({ md5, sha256 }: Segment): Record<string, string> {
  return {
    'Content-MD5': Buffer.from(md5, 'hex').toString('base64'),
    'x-amz-content-sha256': sha256,
  };
}

function keep(world: World, source: AsyncIterable<Buffer>, hashes: readonly Hash[]) {
  return world.spool.keep(source, (chunk) => {
    world.counters.storage.received += chunk.length;
    for (const hash of hashes) hash.update(chunk);
  });
}

/** Sends the refusal; the rest of the request body is read and discarded. */
function end(
  world: World,
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  code: string,
  text: string,
): void {
  if (!request.complete) request.resume();
  refuse(world, response, status, code, text);
}
