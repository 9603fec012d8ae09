import { fieldError, type RouteReply } from '../http/reply.js';
import type { SimulatedProject } from '../project.js';
import { segmentHeaders } from '../storage/receive.js';
import type { Segment, Upload } from '../storage/uploads.js';
import type { Call } from './call.js';

const GIB = 2 ** 30;
const MOST = 5 * GIB;
const LEAST_SEGMENT = 5 * 2 ** 20;

/** `POST /rest/v1.1/projects/:project/uploads`: announces an upload, single or in segments. */
export async function postUpload(call: Call): Promise<RouteReply> {
  const project = call.project(true);
  const asked = await call.json();
  const filename = asked.response_filename;
  if (typeof filename !== 'string' || filename === '') throw fieldError(400, 'response_filename', "can't be blank");
  const size = asked.size === undefined ? undefined : bytes(asked.size, 'size');
  if (size === 0 && call.world.switches.is('empty-file', 'refused')) {
    throw fieldError(400, 'size', 'must be greater than 0');
  }
  const segments = asked.segments === undefined ? [] : readSegments(asked.segments);
  const contentType =
    typeof asked.response_content_type === 'string' ? asked.response_content_type : 'application/octet-stream';
  const upload = call.world.uploads.begin(project.index, call.token.person, { filename, contentType, size, segments });
  return { status: 201, body: described(call, upload) };
}

/** `GET …/uploads/:uuid`. */
export function getUpload(call: Call): RouteReply {
  return { status: 200, body: described(call, own(call, call.project())) };
}

/** `PATCH …/uploads/:uuid`: completes an upload in segments; the body lists their ETags. */
export async function patchUpload(call: Call): Promise<RouteReply> {
  const upload = own(call, call.project(true));
  const { segments } = await call.json();
  const etags = Array.isArray(segments) ? segments.map((segment) => String(segment?.etag ?? '')) : [];
  if (upload.segments.length === 0 || !call.world.uploads.complete(upload, etags)) {
    throw fieldError(422, 'segments', 'are missing or do not match what was uploaded');
  }
  return { status: 200, body: described(call, upload) };
}

/**
 * The completed upload for a new file or version; `use` marks it as used. Throws the error that the switches define for
 * an upload that is unknown, incomplete, of another person, or already used.
 */
export function usedUpload(call: Call, project: SimulatedProject, uuid: string | undefined, use: boolean): Upload {
  const { uploads, switches } = call.world;
  const upload = uuid === undefined ? undefined : uploads.find(uuid);
  const status = switches.number('upload-unknown');
  if (!upload || upload.project !== project.index || upload.person !== call.token.person) {
    throw fieldError(status, 'upload_uuid', uuid === undefined ? "can't be blank" : 'is invalid');
  }
  if (upload.status !== 'complete') throw fieldError(status, 'upload_uuid', 'is not complete');
  if (upload.used && switches.is('upload-reuse', 'refused')) throw fieldError(status, 'upload_uuid', 'was used before');
  if (use) upload.used = true;
  return upload;
}

function own(call: Call, project: SimulatedProject): Upload {
  const upload = call.world.uploads.find(call.params.uuid ?? '');
  if (!upload || upload.project !== project.index || upload.person !== call.token.person) {
    throw call.error(404, 'Not Found');
  }
  return upload;
}

function described(call: Call, upload: Upload): object {
  const address = (end: string) => `${call.world.origins.storage}/upload/${upload.uuid}${end}?key=${upload.key}`;
  if (upload.segments.length === 0) {
    return { uuid: upload.uuid, url: address(''), fields: upload.fields, status: upload.status };
  }
  const segments = upload.segments.map((segment, i) => ({
    md5: segment.md5,
    sha256: segment.sha256,
    size: segment.size,
    url: address(`/${i}`),
    headers: segmentHeaders(segment),
  }));
  return { uuid: upload.uuid, segments, status: upload.status };
}

function readSegments(given: unknown): Segment[] {
  if (!Array.isArray(given) || given.length === 0 || given.length > 10_000) {
    throw fieldError(400, 'segments', 'must be 1 to 10,000');
  }
  return given.map((segment: Record<string, unknown> | null, i) => {
    const size = bytes(segment?.size, 'segments');
    if (size < LEAST_SEGMENT && i < given.length - 1) throw fieldError(400, 'segments', 'must have at least 5 MB');
    const [sha256, md5] = [String(segment?.sha256), String(segment?.md5)];
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw fieldError(400, 'segments', 'need a sha256 in hexadecimal');
    if (!/^[0-9a-f]{32}$/.test(md5)) throw fieldError(400, 'segments', 'need an md5 in hexadecimal');
    return { size, sha256, md5 };
  });
}

function bytes(given: unknown, field: string): number {
  const size = Number(given);
  if (given === null || given === '' || !Number.isSafeInteger(size) || size < 0) {
    throw fieldError(400, field, 'must be a number of bytes');
  }
  if (size > MOST) throw fieldError(400, field, 'must be at most 5 GB');
  return size;
}
