import { createHash } from 'node:crypto';
import { join } from 'node:path';
import * as z from 'zod';
import { readPrivateFile, writePrivateFile } from '../../connections/files.js';

const schema = z.object({
  api: z.string(),
  facts: z.record(z.string(), z.object({ answer: z.string(), at: z.string() })),
});

/** Client and account of the facts: they differ between accounts, not between connections of the same client. */
export interface FactsOwner {
  readonly apiUrl: string;
  readonly clientId: string;
}

/** Known facts of the API for one client id: the answers of earlier probes, in the state folder. */
export class ClientFacts {
  readonly path: string;
  readonly #api: string;
  #facts: Readonly<Record<string, { readonly answer: string; readonly at: string }>>;

  /** A file that cannot be parsed counts as missing. @throws Failure `state-unsafe` */
  constructor(stateFolder: string, owner: FactsOwner) {
    this.#api = new URL(owner.apiUrl).host;
    const key = createHash('sha256').update(`${owner.clientId}\n${this.#api}`).digest('hex').slice(0, 16);
    this.path = join(stateFolder, 'clients', `${key}.facts.json`);
    this.#facts = parse(readPrivateFile(this.path));
  }

  /** Undefined: not known. */
  get(name: string): string | undefined {
    return Object.hasOwn(this.#facts, name) ? this.#facts[name]?.answer : undefined;
  }

  /** ISO 8601. */
  answeredAt(name: string): string | undefined {
    return Object.hasOwn(this.#facts, name) ? this.#facts[name]?.at : undefined;
  }

  /** Adds answers; others stay unchanged. @throws Failure `state-unwritable` */
  keep(answers: Readonly<Record<string, string>>, now = new Date()): void {
    const at = now.toISOString();
    const added = Object.entries(answers).map(([name, answer]) => [name, { answer, at }] as const);
    // Another process may have added some.
    this.#facts = { ...this.#facts, ...parse(readPrivateFile(this.path)), ...Object.fromEntries(added) };
    writePrivateFile(this.path, `${JSON.stringify({ api: this.#api, facts: this.#facts }, undefined, 2)}\n`);
  }
}

function parse(text: string | undefined): z.infer<typeof schema>['facts'] {
  try {
    return schema.parse(JSON.parse(text ?? '{}')).facts;
  } catch {
    return {};
  }
}
