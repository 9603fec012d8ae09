import { step, TROUBLE } from '../model/name-steps.js';
import { NamesRun } from '../model/names.js';
import { openProject } from '../support/project.js';
import fc from '../support/properties.js';
import type { Scenario } from './scenarios.js';

export interface NamesSettings {
  readonly runs: number;
  /** Steps from an empty folder on. */
  readonly length: number;
  readonly ignoresCase: boolean;
}

/**
 * What is made here under a name is at the server under the decoded one and shown under the first again; what the server
 * has is shown under one name, which stays, leads to it, and to nothing else; refused names give the documented errno.
 */
export async function namesProperty(t: Scenario, settings: NamesSettings, seed: number): Promise<void> {
  const { runs, length, ignoresCase } = settings;
  const counts: Record<string, number> = {};
  let project = await openProject(t, { hour: 20 }, {}, { hour: 20_000, spike: 10_000 });
  if (ignoresCase) await project.project.ignoreCase();
  let run = 0;
  const property = fc.asyncProperty(
    fc.array(step, { minLength: length, maxLength: length, size: 'max' }),
    async (steps) => {
      const done: string[] = [];
      const one = new NamesRun(project, `run ${run++}`, ignoresCase, counts);
      try {
        await one.run(steps, done);
      } catch (error) {
        throw new Error(`${(error as Error).stack}\nafter\n${done.join('\n')}`);
      } finally {
        project = one.project;
      }
    },
  );
  const found = await fc.check(property, { seed, numRuns: runs, endOnFailure: true, examples: [[[...TROUBLE]]] });
  const error = found.errorInstance as Error | undefined;
  t.ok(!found.failed, `seed ${seed}, ${runs} runs of up to ${length} steps: ${error?.message ?? found.numRuns}`);
  t.comment(`seed ${seed}${ignoresCase ? ', ignoring case' : ''}: ${JSON.stringify(counts)}`);
}
