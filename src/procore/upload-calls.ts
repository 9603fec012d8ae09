import * as z from 'zod';
import { isFailure } from '../base/errors.js';
import type { ProjectId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import type { ApiRequest, ProcoreApi } from './api.js';
import { parseJson } from './rows.js';
import type { Digest } from './upload-content.js';
import { writeFailure } from './write-error.js';

const text = z.union([z.string(), z.number().transform(String)]);
const uploadRow = z.looseObject({
  uuid: z.string().min(1),
  url: z.string().nullish(),
  fields: z.record(z.string(), text).nullish(),
  segments: z.array(z.looseObject({ url: z.string(), headers: z.record(z.string(), text).nullish() })).nullish(),
});
const statusRow = z.looseObject({ status: z.string().nullish() });

export interface Announced {
  readonly uuid: string;
  /** Destination of the whole content as a form, or of each segment. */
  readonly to:
    | { readonly url: string; readonly fields: Readonly<Record<string, string>> }
    | { readonly url: string; readonly headers: Readonly<Record<string, string>> }[];
}

/** The calls to `/rest/v1.1/projects/{id}/uploads`. Each can be repeated: an unused upload has no effect. */
export class UploadCalls {
  readonly #api: ProcoreApi;

  constructor(api: ProcoreApi) {
    this.#api = api;
  }

  /** 1 call. With more than one range, the upload is in segments. */
  async announce(
    project: ProjectId,
    name: string,
    digests: readonly Digest[],
    options: CallOptions,
  ): Promise<Announced> {
    const size = digests.reduce((sum, digest) => sum + digest.size, 0);
    const segments = digests.length > 1 ? { segments: digests } : {};
    const body = { response_filename: name, size, ...segments };
    const { json, call } = await this.#send({ method: 'POST', path: path(project), body }, project, name, options);
    return this.#api.understand(call, () => {
      const row = uploadRow.parse(json);
      if (row.segments && row.segments.length > 0) {
        if (row.segments.length !== digests.length) throw new Error('it names another number of segments');
        return { uuid: row.uuid, to: row.segments.map(({ url, headers }) => ({ url, headers: headers ?? {} })) };
      }
      if (!row.url) throw new Error('it says not where to');
      return { uuid: row.uuid, to: { url: row.url, fields: row.fields ?? {} } };
    });
  }

  /** 1 call, or 2 in doubt; false if the upload is lost and must be made anew. */
  async complete(
    project: ProjectId,
    uuid: string,
    etags: readonly string[],
    name: string,
    options: CallOptions,
  ): Promise<boolean> {
    const body = { segments: etags.map((etag) => ({ etag })) };
    try {
      await this.#send({ method: 'PATCH', path: path(project, uuid), body }, project, name, options);
      return true;
    } catch (error) {
      if (isFailure(error, 'bad-reply')) return true;
      if (!isRefusal(error)) throw error;
    }
    // The upload may be complete already, if the reply to an earlier call was lost.
    try {
      const { json } = await this.#send({ method: 'GET', path: path(project, uuid) }, project, name, options);
      return statusRow.safeParse(json).data?.status === 'complete';
    } catch (error) {
      if (isRefusal(error)) return false;
      throw error;
    }
  }

  async #send(request: ApiRequest, project: ProjectId, name: string, options: CallOptions) {
    const what = `"${name}"`;
    try {
      const target = { project, subject: `the upload of ${what}` };
      const { reply, call } = await this.#api.send({ ...request, repeatable: true }, target, options);
      return { call, json: parseJson(reply.body.bytes, this.#api.host, call.label) };
    } catch (error) {
      throw writeFailure(error, { type: 'file', what, name, existing: true, brings: 'content' });
    }
  }
}

const path = (project: ProjectId, uuid?: string): string =>
  `/rest/v1.1/projects/${project}/uploads${uuid === undefined ? '' : `/${encodeURIComponent(uuid)}`}`;

/** The server answered that there is no such upload, or that it cannot be completed with these segments. */
const isRefusal = (error: unknown): boolean =>
  isFailure(error, 'gone') || isFailure(error, 'upload-unknown') || isFailure(error, 'request-refused');
