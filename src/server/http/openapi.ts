import type { FastifyInstance } from 'fastify';
import * as z from 'zod';
import { Failure } from '../../base/errors.js';
import { tokenBody, tokenReply } from '../access/routes.js';
import { hasCsv } from './envelope.js';
import type { Route } from './route.js';

type Json = Record<string, unknown>;

/** Stands in place of a role for calls that issue or end a token. */
const ANYONE = 'anyone';

const jsonSchema = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'draft-2020-12' });
  return rest as Json;
};

const errorSchema = z.object({
  errors: z.array(z.object({ description: z.string(), code: z.string(), remedy: z.string() })).min(1),
});

const metaSchema = z.object({
  offset: z.number().int(),
  limit: z.number().int(),
  total_count: z.number().int(),
  has_more: z.boolean(),
  links: z.object({ next: z.string().nullable(), prev: z.string().nullable() }),
});

/** Schema of a successful reply, including the envelope. */
function replySchema(route: Route): Json {
  switch (route.kind) {
    case 'plain':
      return jsonSchema(route.reply, 'output');
    case 'count':
      return object({ status: text, type: { const: route.type }, meta: object({ total_count: { type: 'integer' } }) });
    case 'one':
      return object({
        status: text,
        type: { const: route.type },
        // With `fields` a reply has only those keys.
        [route.type]: jsonSchema(route.reply, 'output'),
      });
    case 'list': {
      const rows = { type: 'array', items: jsonSchema(route.reply, 'output') };
      return object({
        status: text,
        type: { const: route.type },
        [route.type]: rows,
        [route.key]: rows,
        meta: jsonSchema(metaSchema, 'output'),
      });
    }
  }
}

const text = { type: 'string' };
const object = (properties: Json): Json => ({ type: 'object', properties, required: Object.keys(properties) });

const content = (schema: Json): Json => ({ 'application/json': { schema } });

/** `/v1/jobs/:id` in OpenAPI's notation. */
export const openApiPath = (path: string): string => path.replace(/:(\w+)/g, '{$1}');

/** The OpenAPI 3.1 document of a table of routes: the schemas that check requests, and those of the replies. */
export function openApiDocument(routes: readonly Route[], version: string): Json {
  const paths: Record<string, Json> = {};
  const add = (path: string, method: string, operation: Json): void => {
    paths[path] = { ...paths[path], [method.toLowerCase()]: operation };
  };
  for (const route of routes) {
    const path = openApiPath(route.path);
    add(path, route.method, operation(route, content(replySchema(route))));
    if (hasCsv(route)) add(`${path}.csv`, 'GET', operation(route, { 'text/csv': { schema: text } }));
  }
  for (const prefix of ['', '/v1']) addAccess(add, prefix);
  add('/v1/events', 'GET', {
    summary: 'what changes by itself, as server-sent events',
    description: 'Takes the role read.',
    'x-role': 'read',
    'x-causes': [],
    tags: ['events'],
    parameters: [{ name: 'topics', in: 'query', schema: text }],
    responses: { 200: { description: 'a stream', content: { 'text/event-stream': { schema: text } } }, ...errors },
  });
  return {
    openapi: '3.1.0',
    info: { title: 'procorefs', version },
    security: [{ bearer: [] }],
    components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
    paths,
  };
}

/** Checks that the document contains every served operation, except the document itself and the page. */
export function requireDeclared(app: FastifyInstance, document: Json): void {
  const paths = document.paths as Readonly<Record<string, Json>>;
  app.addHook('onRoute', ({ method, url }) => {
    if (url === '/' || url === '/page/*' || url === '/v1/openapi.json') return;
    for (const one of [method].flat())
      if (one !== 'HEAD' && paths[openApiPath(url)]?.[one.toLowerCase()] === undefined)
        throw new Failure('internal', {}, new Error(`${one} ${url} is not declared`));
  });
}

function addAccess(add: (path: string, method: string, operation: Json) => void, prefix: string): void {
  add(`${prefix}/connect/token`, 'POST', {
    summary: 'sign in, or renew a sign-in',
    'x-role': ANYONE,
    'x-causes': [],
    tags: ['access'],
    security: [],
    requestBody: {
      required: true,
      content: { 'application/x-www-form-urlencoded': { schema: jsonSchema(tokenBody, 'input') } },
    },
    responses: { 200: { description: 'signed in', content: content(jsonSchema(tokenReply, 'output')) }, ...errors },
  });
  add(`${prefix}/connect/logout`, 'GET', {
    summary: 'end the sign-in of this token: of either kind, also one that is expired or spent',
    'x-role': ANYONE,
    'x-causes': [],
    tags: ['access'],
    responses: { 200: { description: 'done', content: content(object({ status: text })) }, ...errors },
  });
}

const connectAs = {
  name: 'X-Connect-As',
  in: 'header',
  description: 'Login, name or id of the account to act as: the own one of the connection, as there is no other way.',
  schema: text,
};

const errors = { default: { description: 'an error', content: content(jsonSchema(errorSchema, 'output')) } };

function operation(route: Route, success: Json): Json {
  const query = jsonSchema(route.query, 'input') as { properties?: Record<string, Json> };
  const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: text,
  }));
  const inQuery = Object.entries(query.properties ?? {}).map(([name, schema]) => ({ name, in: 'query', schema }));
  return {
    summary: route.summary,
    description: `Takes the role ${route.role}.`,
    'x-role': route.role,
    'x-causes': route.causes,
    tags: [route.tag],
    parameters: [...inPath, ...inQuery, ...(route.connectAs ? [connectAs] : [])],
    ...(route.body ? { requestBody: { content: content(jsonSchema(route.body, 'input')) } } : {}),
    responses: { [route.status]: { description: 'done', content: success }, ...errors },
  };
}
