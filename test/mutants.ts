import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Ending, isBuilt, Scratch } from './support/mutant-trial.js';
import { editsOf, type Mutant, readMutants, TOP, titleOf, transpiled } from './support/mutants.js';

/**
 * Puts the mutants of `mutants.json` into copies of what is built, one by one, and runs the tests that must see each:
 * `npm run mutants -- WORD…` those whose row has one of the words. What is known of a build is kept beside it, so that a
 * run that was ended goes on. A test proves nothing that fails without a mutant: each is run without one first.
 */
const AT_ONCE = 2;
const KNOWN = join(TOP, 'dist', '.mutants.json');

interface Known {
  readonly build: string;
  readonly endings: Record<string, Ending>;
}

const counts = { passed: 0, failed: 0, skipped: 0 };

function buildOf(): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(join(TOP, 'dist'), { recursive: true, encoding: 'utf8' }).sort())
    if (name.endsWith('.js')) hash.update(name).update(readFileSync(join(TOP, 'dist', name)));
  return hash.digest('hex');
}

function readKnown(build: string): Known {
  try {
    const known = JSON.parse(readFileSync(KNOWN, 'utf8')) as Known;
    if (known.build === build) return known;
  } catch {
    // There is none.
  }
  return { build, endings: {} };
}

const known = readKnown(buildOf());
const running = new Map<string, Promise<Ending>>();

/** How a test ends with a mutant, or without one; asked once for each build. */
function endingOf(test: string, mutant?: Mutant): Promise<Ending> {
  const key = JSON.stringify(mutant ? [test, editsOf(mutant)] : [test]);
  const ended = known.endings[key];
  if (ended) return Promise.resolve(ended);
  let run = running.get(key);
  if (!run) {
    run = tried(test, mutant).then((ending) => {
      known.endings[key] = ending;
      writeFileSync(KNOWN, JSON.stringify(known));
      return ending;
    });
    running.set(key, run);
  }
  return run;
}

async function tried(test: string, mutant: Mutant | undefined): Promise<Ending> {
  if (!isBuilt(test)) return { verdict: 'broken', what: 'the test is not there' };
  const scratch = new Scratch();
  try {
    for (const [file, text] of mutant ? transpiled(mutant) : []) scratch.replace(file, text);
    if (mutant) scratch.bundle();
    return await scratch.run(test);
  } finally {
    scratch.remove();
  }
}

async function judge(mutant: Mutant): Promise<void> {
  const { tests, generator, survives } = mutant;
  const lines: string[] = [];
  let verdict: keyof typeof counts = 'passed';
  const fail = (): void => {
    verdict = 'failed';
  };
  for (const test of [...tests, generator ?? []].flat()) {
    const without = await endingOf(test);
    if (without.verdict === 'skipped') {
      if (verdict === 'passed') verdict = 'skipped';
      lines.push(`${test}: skipped`);
      continue;
    }
    const ending = without.verdict === 'passed' ? await endingOf(test, mutant) : without;
    const isRight = without.verdict === 'passed' && (ending.verdict === 'killed') === (survives === undefined);
    if (!isRight) fail();
    const how = without.verdict === 'passed' ? ending.verdict : `${ending.verdict} without it`;
    lines.push(`${test}: ${how === 'passed' ? 'it survived' : how}${ending.what === '' ? '' : `: ${ending.what}`}`);
  }
  counts[verdict]++;
  console.log(`${verdict}  ${mutant.kind}  ${titleOf(mutant)}`);
  for (const line of lines) console.log(`        ${line}`);
  if (survives !== undefined) console.log(`        it may survive: ${survives}`);
}

const words = process.argv.slice(2);
const wanted = readMutants().filter((mutant) => {
  const row = JSON.stringify(mutant);
  return words.length === 0 || words.some((word) => row.includes(word));
});
const left = [...wanted];
const work = async (): Promise<void> => {
  for (let mutant = left.shift(); mutant; mutant = left.shift()) await judge(mutant);
};
await Promise.all(Array.from({ length: AT_ONCE }, work));
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed > 0 ? 1 : 0;
