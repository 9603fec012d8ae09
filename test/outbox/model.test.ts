import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { compare } from '../model/compare.js';
import { localStep } from '../model/operations.js';
import { Place } from '../model/place.js';
import { ModelTree } from '../model/tree.js';
import { modelScenario } from '../scenarios/model.js';
import fc from '../support/properties.js';

const SEED = 20261124;

t.test('the model is a file system like the one of this machine', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-test-model-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  let runs = 0;
  const property = fc.asyncProperty(
    fc.array(localStep, { minLength: 100, maxLength: 100, size: 'max' }),
    async (steps) => {
      const root = mkdtempSync(join(folder, `${runs++}-`));
      const place = new Place(root);
      try {
        const model = new ModelTree(0, false);
        for (const step of steps) await compare(step, place, model);
      } finally {
        for (const handle of place.handles) await handle.close();
      }
    },
  );
  await fc.assert(property, { seed: SEED, numRuns: 20, endOnFailure: true });
  t.pass(`${runs} runs`);
});

t.test('the mount behaves like a plain file system, and the server ends with its tree', async (t) => {
  await modelScenario(t, { where: 'inside', operations: 500, length: 60, restarts: false }, SEED);
});
