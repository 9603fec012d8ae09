import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { compilerErrors, editsOf, obstacleOf, readMutants, TOP, titleOf } from './support/mutants.js';

const mutants = readMutants();

t.test('each mutant applies, and its tests are there', async (t) => {
  for (const mutant of mutants) {
    const obstacle = obstacleOf(mutant);
    if (obstacle !== undefined) t.fail(`${titleOf(mutant)}: ${obstacle}`);
    for (const test of [...mutant.tests, mutant.generator ?? []].flat())
      if (!existsSync(join(TOP, test))) t.fail(`${titleOf(mutant)}: there is no ${test}`);
    if (mutant.tests.length === 0 && mutant.survives === undefined) t.fail(`${titleOf(mutant)}: no test sees it`);
  }
  const keys = mutants.map((mutant) => JSON.stringify(editsOf(mutant)));
  t.equal(new Set(keys).size, keys.length, 'none is there twice');
});

t.test('each mutant compiles', async (t) => {
  const errors = compilerErrors(mutants.filter((mutant) => obstacleOf(mutant) === undefined));
  t.strictSame(
    [...errors].map(([mutant, messages]) => `${titleOf(mutant)}: ${messages.join('; ')}`),
    [],
  );
});
