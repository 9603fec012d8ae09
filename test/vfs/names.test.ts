import t from 'tap';
import { namesProperty } from '../scenarios/name-property.js';

const SEED = Number(process.env.SEED ?? 20261128);
const runs = Number(process.env.RUNS ?? 4);

for (const ignoresCase of [false, true])
  t.test(`every name is one item's${ignoresCase ? ', where case is ignored' : ''}`, async (t) => {
    await namesProperty(t, { runs, length: 30, ignoresCase }, SEED);
  });
