import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import ts from 'typescript';
import { catalogue } from '#src/base/catalogue.js';
import { cataloguePage } from '#src/base/catalogue-page.js';
import type { CatalogueRow } from '#src/base/catalogue-row.js';

const top = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const src = join(top, 'src');
const rows: Readonly<Record<string, CatalogueRow>> = catalogue;

t.test('the page of errors is the one that `npm run docs` writes', async (t) => {
  t.equal(readFileSync(join(top, 'native-notes', 'errors.md'), 'utf8'), cataloguePage(), 'else run `npm run docs`');
});

t.test('the page shows each row, and keeps its columns whatever a text holds', async (t) => {
  const row = { errno: 'EIO', http: 500, level: 'warn', what: 'a|b <c>', remedy: 'none' } as const;
  t.match(cataloguePage({ odd: row }), '| `odd` | EIO | 500 | warn | a\\|b \\<c\\> | none |');
});

interface Raised {
  readonly code: string;
  readonly where: string;
  /** Undefined: handed over as a whole, not to be known from the text. */
  readonly keys: readonly string[] | undefined;
  readonly spreads: boolean;
}

/** Each `new Failure('code', {…})` of a source text; `fail('code', {…})` is the same by another name. */
function failuresIn(path: string, text: string): Raised[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: Raised[] = [];
  const visit = (node: ts.Node): void => {
    const calls = ts.isNewExpression(node) || ts.isCallExpression(node) ? node : undefined;
    const name = calls && ts.isIdentifier(calls.expression) ? calls.expression.text : '';
    if (calls && ((ts.isNewExpression(node) && name === 'Failure') || (ts.isCallExpression(node) && name === 'fail'))) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      const [code, details] = calls.arguments ?? [];
      for (const one of codesOf(code))
        found.push({ code: one, where: `${relative(top, path)}:${line + 1}`, ...detailsOf(details) });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** The codes that an expression can be, as far as the text says. */
function codesOf(node: ts.Expression | undefined): string[] {
  if (!node) return [];
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isConditionalExpression(node)) return [...codesOf(node.whenTrue), ...codesOf(node.whenFalse)];
  return ts.isParenthesizedExpression(node) ? codesOf(node.expression) : [];
}

function detailsOf(node: ts.Expression | undefined): Pick<Raised, 'keys' | 'spreads'> {
  if (!node) return { keys: [], spreads: false };
  if (!ts.isObjectLiteralExpression(node)) return { keys: undefined, spreads: false };
  const keys = node.properties.flatMap((one) =>
    one.name && !ts.isComputedPropertyName(one.name) ? [one.name.getText()] : [],
  );
  return { keys, spreads: node.properties.some(ts.isSpreadAssignment) };
}

const placeholders = (code: string): string[] =>
  [...`${rows[code]?.what} ${rows[code]?.remedy}`.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);

function missing({ code, keys, spreads }: Raised): string[] {
  if (!keys || spreads) return [];
  return [...new Set(placeholders(code))].filter((key) => !keys.includes(key));
}

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? sources(path) : name.endsWith('.ts') ? [path] : [];
  });
}

t.test('who raises a failure fills every placeholder of its row', async (t) => {
  const raised = sources(src).flatMap((path) => {
    const text = readFileSync(path, 'utf8');
    return /\b(Failure|fail)\(/.test(text) ? failuresIn(path, text) : [];
  });
  t.ok(raised.length > 100, `the test saw them at all: ${raised.length}`);
  for (const one of raised) {
    if (!Object.hasOwn(rows, one.code)) continue;
    t.strictSame(missing(one), [], `${one.where}: ${one.code}`);
  }
});

t.test('the test sees what is forgotten, and what cannot be known it lets pass', async (t) => {
  const text = `
    new Failure('unreachable');
    new Failure(a ? 'unreachable' : 'gone', { host }, error);
    fail('gone', { ...details });
    new Failure('gone', details);
  `;
  const found = failuresIn('x.ts', text).map((one) => [one.code, ...missing(one)]);
  t.strictSame(found, [['unreachable', 'host'], ['unreachable'], ['gone', 'what'], ['gone'], ['gone']]);
});
