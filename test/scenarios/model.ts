import { InsideScene } from '../model/inside.js';
import { MountScene } from '../model/mount.js';
import { step, stepWithRestarts } from '../model/operations.js';
import { ModelRun, type ModelScene } from '../model/run.js';
import fc from '../support/properties.js';
import type { Scenario } from './scenarios.js';

export interface ModelSettings {
  /** A mount in the kernel, or the file system alone, in this process. */
  readonly where: 'mount' | 'inside';
  /** Of somebody here, at least. */
  readonly operations: number;
  /** Steps from an empty folder on. */
  readonly length: number;
  /** The daemon is killed, or ended, at times. */
  readonly restarts: boolean;
}

/**
 * Random operations on a mount and on a plain file system in memory, while other people change the project at the
 * server: same results and errnos, and after each drain the server, the mount and the model have the same tree.
 */
export async function modelScenario(t: Scenario, settings: ModelSettings, seed: number): Promise<void> {
  const { where, operations, length, restarts } = settings;
  const counts: Record<string, number> = {};
  const open = where === 'mount' ? MountScene.open : InsideScene.open;
  const scenes: ModelScene[] = [await open(t, 'waiting', counts), await open(t, 'racing', counts)];
  let runs = 0;
  const only = process.env.SOAK_RUN;
  const property = fc.asyncProperty(
    fc.array(restarts ? stepWithRestarts : step, { minLength: length, maxLength: length, size: 'max' }),
    async (steps) => {
      if (only !== undefined && Number(only) !== runs) {
        runs++;
        return;
      }
      const run = new ModelRun(scenes[runs % scenes.length]!, `run-${runs++}`);
      try {
        await run.run(steps);
      } catch (error) {
        const where = `seed ${seed}, run ${runs - 1}, after\n${run.done.slice(-60).join('\n')}`;
        throw new Error(`${(error as Error).stack}\n${where}\n${run.tree()}`);
      }
    },
  );
  for (let part = 0; (counts.operations ?? 0) < operations; part++) {
    const numRuns = Math.ceil((operations - (counts.operations ?? 0)) / length);
    const found = await fc.check(property, { seed: seed + part, numRuns, endOnFailure: true });
    const error = found.errorInstance as Error | undefined;
    t.ok(!found.failed, `seed ${seed}, ${numRuns} runs of ${length} steps: ${error?.message ?? found.numRuns}`);
    if (found.failed || only !== undefined) break;
  }
  t.comment(`seed ${seed}: ${JSON.stringify(counts)}`);
}
