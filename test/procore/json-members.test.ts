import t from 'tap';
import { members, rows, whole } from '#src/procore/json-members.js';
import fc from '../support/properties.js';

const APART = ['folders', 'files'];
const bytes = (text: string): Uint8Array => Buffer.from(text);
const read = (text: string): { others: unknown; arrays: Record<string, unknown[]> } => {
  const { others, spans } = members(bytes(text), APART);
  return {
    others,
    arrays: Object.fromEntries(APART.map((key) => [key, [...rows(bytes(text), spans.get(key))].flat()])),
  };
};

/** Member names that are asked for, written plainly or with an escape, and others. */
const name = fc.oneof(fc.constantFrom('folders', 'files'), fc.string({ unit: 'binary' }));
const object = fc.dictionary(name, fc.oneof(fc.jsonValue(), fc.array(fc.jsonValue({ noUnicodeString: false }))));
const spaced = fc.tuple(object, fc.constantFrom(undefined, 1, '\t', ' \n'), fc.boolean());
const write = ([value, space, escapes]: [unknown, number | string | undefined, boolean]): string => {
  const text = JSON.stringify(value, undefined, space);
  return escapes ? text.replaceAll('files', '\\u0066iles').replaceAll('é', '\\u00e9') : text;
};

t.test('an object is the same in parts as in whole', async (t) => {
  const property = fc.property(spaced, (given) => {
    const text = write(given);
    const { folders, files, ...others } = JSON.parse(text) as Record<string, unknown>;
    const array = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
    t.strictSame(read(text), { others, arrays: { folders: array(folders), files: array(files) } });
  });
  fc.assert(property, { numRuns: 300 });
});

t.test('a text that is cut anywhere, or goes on, is refused', async (t) => {
  const property = fc.property(spaced, fc.nat(), (given, at) => {
    const text = write(given);
    const cut = bytes(text).subarray(0, at % bytes(text).length);
    t.throws(() => members(cut, APART), SyntaxError);
    t.throws(() => read(`${text}x`), SyntaxError);
  });
  fc.assert(property, { numRuns: 200 });
});

t.test('what is not JSON is refused, in the array as well as around it', async (t) => {
  const wrong = ['', '[]', 'null', '{"a":}', '{"a":1,}', '{"a" 1}', '{a:1}', '{"files":[1,]}', '{"files":[1 2]}'];
  for (const text of [
    ...wrong,
    '{"files":[}',
    '{"files":[[1]',
    '{"files":["\\"]}',
    '{"files":[tru]}',
    '{"files":[,1]}',
  ])
    t.throws(() => read(text), SyntaxError, text);
});

t.test('a text that would take more memory than any reply is refused before it is parsed', async (t) => {
  const many = (one: string, count: number): string => `[${`${one},`.repeat(count - 1)}${one}]`;
  const nested = `${'['.repeat(3_000_000)}${']'.repeat(3_000_000)}`;
  for (const text of [many('[]', 3_000_000), many('{}', 3_000_000), many('1', 3_000_000), nested]) {
    t.throws(() => whole(bytes(text)), { message: 'the text has too many values' });
    t.throws(() => read(`{"files":[${text}]}`), { message: 'a row is too large' });
    t.throws(() => read(`{"files":[],"other":${text}}`), { message: 'the text is too large' });
  }
  const page = JSON.stringify(
    Array.from({ length: 10_000 }, (_, id) => ({ id, name: 'x'.repeat(300), versions: [id] })),
  );
  t.strictSame(whole(bytes(page)), JSON.parse(page));
});

t.test('a long array comes in parts', async (t) => {
  const files = Array.from({ length: 20_000 }, (_, id) => ({ id, name: `"[{\\${id}}]` }));
  const text = bytes(JSON.stringify({ id: 1, files, name: 'after' }));
  const { others, spans } = members(text, APART);
  t.strictSame(others, { id: 1, name: 'after' });
  const parts = [...rows(text, spans.get('files'))];
  t.ok(parts.length > 5, `${parts.length} parts`);
  t.strictSame(parts.flat(), files);
});
