import type { Endpoint } from '#src/jobs/endpoint.js';
import type { Opener } from '#src/jobs/opener.js';
import { folderOpener } from './jobs.js';

/** Calls of one end of a transfer that somebody may act before or after. */
type Call = 'stat' | 'write' | 'test' | 'move' | 'mkdir' | 'discard' | 'content';

/** Somebody who acts between the calls of a run, once each. */
export class Somebody {
  readonly #acts: { readonly when: string; readonly act: () => unknown }[] = [];

  /** @param when `after b.write`: the end is `a` (the source) or `b` */
  acts(when: `${'before' | 'after'} ${'a' | 'b'}.${Call}`, act: () => unknown): void {
    this.#acts.push({ when, act });
  }

  /** When the plan is made, and nothing is done yet. */
  actsAfterThePlan(act: () => unknown): void {
    this.acts('before b.test', act);
  }

  async comes(when: string): Promise<void> {
    const at = this.#acts.findIndex((one) => one.when === when);
    if (at >= 0) await this.#acts.splice(at, 1)[0]!.act();
  }

  /** Folders as ends, with this somebody between their calls. `change` makes of an end what a test needs. */
  opener(change: (side: Endpoint, end: 'a' | 'b') => Endpoint = (side) => side): Opener {
    return {
      ...folderOpener,
      open: async (reference, request) => {
        const end = reference.connection.id.endsWith('/a') ? 'a' : 'b';
        const side = change(await folderOpener.open(reference, request), end);
        for (const call of ['stat', 'write', 'test', 'move', 'mkdir', 'discard', 'content'] as const) {
          const plain = (side as unknown as Record<string, (...words: unknown[]) => Promise<unknown>>)[call];
          if (!plain) continue;
          Object.assign(side, {
            [call]: async (...words: unknown[]) => {
              await this.comes(`before ${end}.${call}`);
              const result = await plain.apply(side, words);
              await this.comes(`after ${end}.${call}`);
              return result;
            },
          });
        }
        return side;
      },
    };
  }
}
