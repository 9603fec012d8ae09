import type { Given } from '../content/contents.js';
import { readBody } from '../http/body.js';
import { boundaryOf, FormError, multipart, textOf } from '../http/multipart.js';
import type { Call } from './call.js';

type Value = string | number | boolean | null;

/** The fields below the top-level key of a write request, and the file of a form (`file[data]`). */
export interface Fields {
  readonly values: ReadonlyMap<string, Value>;
  readonly data: Given | undefined;
  readonly dataName: string | undefined;
}

/** Reads `{"KEY":{…}}`, or a form of `KEY[field]`; throws 400 for anything else. */
export async function readFields(call: Call, key: string): Promise<Fields> {
  const type = call.request.headers['content-type'] ?? '';
  const boundary = boundaryOf(type);
  const values = new Map<string, Value>();
  let data: Given | undefined;
  let dataName: string | undefined;
  if (boundary !== undefined) {
    try {
      for await (const part of multipart(call.request, boundary)) {
        const field = inner(part.name, key);
        if (part.filename === undefined) {
          const text = await textOf(part);
          if (field !== undefined) values.set(field, text);
        } else {
          data = await call.world.spool.keep(part.body, () => undefined);
          dataName = part.filename;
        }
      }
    } catch (error) {
      if (error instanceof FormError) throw call.error(400, error.message);
      throw error;
    }
  } else if (/x-www-form-urlencoded/.test(type)) {
    for (const [name, text] of new URLSearchParams((await readBody(call.request)).toString())) {
      const field = inner(name, key);
      if (field !== undefined) values.set(field, text);
    }
  } else {
    const wrapped = (await call.json())[key];
    if (wrapped !== null && typeof wrapped === 'object') {
      for (const [name, value] of Object.entries(wrapped)) if (isValue(value)) values.set(name, value);
    }
  }
  if (values.size === 0 && !data) throw call.error(400, `param is missing or the value is empty: ${key}`);
  return { values, data, dataName };
}

function inner(name: string, key: string): string | undefined {
  return name.startsWith(`${key}[`) && name.endsWith(']') ? name.slice(key.length + 1, -1) : undefined;
}

const isValue = (value: unknown): value is Value =>
  value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
