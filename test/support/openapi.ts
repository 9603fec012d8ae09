import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Answer } from './service.js';

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}
interface Operation {
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: object }>> }>>;
}

/** Checks replies against the document that the service gives of itself. */
export class OpenApi {
  readonly document: Document;
  readonly seen = new Set<string>();
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });

  constructor(document: Document) {
    this.document = document;
  }

  get operations(): string[] {
    return Object.entries(this.document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
  }

  /** What is wrong with a reply; empty: nothing. */
  wrong(method: string, url: string, answer: Answer): string[] {
    const path = decodeURI(url.split('?')[0]!);
    const found = Object.keys(this.document.paths)
      .filter((one) => fits(one, path) && this.document.paths[one]![method.toLowerCase()])
      .sort((a, b) => a.split('{').length - b.split('{').length)[0];
    if (found === undefined) return answer.status >= 400 ? [] : [`${method} ${path} stands not in the document`];
    const { responses } = this.document.paths[found]![method.toLowerCase()]!;
    if (answer.status < 400) this.seen.add(`${method} ${found}`);
    const response = responses[String(answer.status)] ?? responses.default;
    if (answer.status < 400 && !responses[String(answer.status)]) return [`${method} ${path}: ${answer.status}`];
    // Of the keys that were asked for alone, the envelope is tested elsewhere.
    if (/[?&]fields=(?!all)/.test(url)) return [];
    const schema = response?.content?.['application/json']?.schema;
    if (!schema) return [];
    const validate = this.#ajv.compile(schema);
    if (validate(answer.json)) return [];
    return [`${method} ${path}: ${this.#ajv.errorsText(validate.errors)} in ${answer.text.slice(0, 500)}`];
  }
}

function fits(template: string, path: string): boolean {
  const [a, b] = [template.split('/'), path.split('/')];
  return a.length === b.length && a.every((part, n) => part === b[n] || /^\{\w+\}$/.test(part));
}
