import * as z from 'zod';
import { isReader } from '../access/account.js';
import { count, list, one, pageOf, type Route } from '../http/route.js';
import { word } from '../http/wire.js';
import type { ServiceParts } from '../parts.js';

const TAG = 'mounts';

const mountReply = z.looseObject({ mountpoint: z.string(), state: z.string() });

const itemReply = z.looseObject({
  id: z.number(),
  name: z.string(),
  path: z.string(),
  type: z.enum(['folder', 'file']),
  bytes: z.number(),
  modified_on: z.number(),
  state: z.string(),
  pinned: z.boolean(),
  private: z.boolean(),
});

const versionReply = z.looseObject({
  id: z.number(),
  number: z.number(),
  bytes: z.number(),
  created_on: z.number(),
});

const uploadReply = z.looseObject({
  id: z.number(),
  path: z.string(),
  what: z.string(),
  state: z.enum(['held', 'waiting', 'uploading', 'failed', 'local', 'kept', 'late']),
  since: z.string(),
  attempts: z.number(),
  bytes: z.number(),
  sent: z.number(),
});

const where = { mountpoint: z.preprocess((value) => (Array.isArray(value) ? value.at(-1) : value), z.string().min(1)) };
const place = { ...where, path: word.default('') };

const body = z.strictObject({
  mountpoint: z.string().min(1),
  /** Ids as in `uploads`; absent: all. */
  ids: z.array(z.union([z.string(), z.number()])).optional(),
});

const VERBS = {
  retry: 'try changes again that have failed',
  release: 'let changes go up that are held',
  discard: 'give changes up that were made here: what the server has counts',
} as const;

/** Mounts: state, tree, versions, pins, and uploads that wait. Paths are those of the mount. */
export function mountRoutes({ mounts }: ServiceParts): Route[] {
  return [
    list({
      path: '/v1/mounts',
      summary: 'the mounts of this state folder, with what `status --json` says of each',
      tag: TAG,
      causes: [],
      type: 'mounts',
      reply: mountReply,
      page: async (_, range) => pageOf(await mounts.status(), range),
    }),
    list({
      path: '/v1/mounts/items',
      summary: "a folder of a mount, as it is mirrored: each item's version, state and pin",
      tag: TAG,
      type: 'items',
      key: 'item',
      causes: ['procore'],
      query: place,
      reply: itemReply,
      page: ({ query: { mountpoint, path, q }, account, signal }, { offset, limit }) =>
        mounts.ask(mountpoint, 'browse', { path: plain(path), offset, limit, q, isReader: isReader(account) }, signal),
    }),
    list({
      path: '/v1/mounts/versions',
      summary: 'the versions of a file, newest first: one call where they are not known',
      tag: TAG,
      type: 'versions',
      causes: ['procore'],
      query: place,
      reply: versionReply,
      page: async ({ query: { mountpoint, path }, account, signal, spend }, range) => {
        spend(1);
        const words = { path: plain(path), isReader: isReader(account) };
        return pageOf(await mounts.ask<object[]>(mountpoint, 'versions', words, signal), range);
      },
    }),
    ...(['pin', 'unpin'] as const).map((verb) =>
      one({
        method: 'POST',
        path: `/v1/mounts/${verb}`,
        summary: verb === 'pin' ? 'keep an item and all below it on this machine' : 'keep it no longer',
        tag: TAG,
        type: 'pins',
        causes: ['procore', 'files'],
        body: z.strictObject({ mountpoint: z.string(), path: z.string() }),
        reply: z.looseObject({}),
        run: async ({ body: { mountpoint, path }, signal }) => ({
          result: await mounts.ask(mountpoint, verb, { path: plain(path) }, signal),
        }),
      }),
    ),
    list({
      path: '/v1/mounts/uploads',
      summary: 'what waits to go up and why, oldest first',
      tag: TAG,
      causes: [],
      type: 'uploads',
      query: where,
      reply: uploadReply,
      page: async ({ query: { mountpoint, q }, account, signal }, range) => {
        const words = { isReader: isReader(account) };
        const all = await mounts.ask<readonly { path: string }[]>(mountpoint, 'uploads', words, signal);
        return pageOf(
          all.filter(({ path }) => q === undefined || path.toLowerCase().includes(q.toLowerCase())),
          range,
        );
      },
    }),
    ...(Object.keys(VERBS) as (keyof typeof VERBS)[]).map((verb) =>
      count({
        method: 'POST',
        path: `/v1/mounts/uploads/${verb}`,
        summary: VERBS[verb],
        tag: TAG,
        type: 'uploads',
        causes: ['procore', 'files'],
        body,
        run: async ({ body: { mountpoint, ids = [] }, signal }) => {
          const all = await mounts.ask<readonly object[]>(mountpoint, 'uploads', {}, signal);
          await mounts.ask(mountpoint, verb, { ids: ids.map(String) }, signal);
          return ids.length === 0 ? all.length : ids.length;
        },
      }),
    ),
  ];
}

const plain = (path: string): string => path.replace(/^\/+|\/+$/g, '');
