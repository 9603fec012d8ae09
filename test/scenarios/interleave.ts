import { ENDS, type Ends, JobsInterleaver } from '../support/interleave/jobs-run.js';
import { type Counts, type Finding, KINDS, type Kind, OutboxInterleaver } from '../support/interleave/outbox-run.js';
import type { Scenario } from './scenarios.js';

/** A new simulator and project after so many: what an earlier one left must not matter, and memory is given back. */
const TOGETHER = 500;

/** What is wrong is told with everything that led to it. */
function tell(t: Scenario, finding: Finding | undefined, seed: number): void {
  if (!finding) return;
  for (const line of finding.log) t.comment(line);
  t.equal(finding.what, '', `seed ${seed}`);
}

/**
 * Sequences of what people do at a mount and at the server, of calls that go and come at any time, of kills and older
 * databases: nothing is lost, nothing is there twice, and in the end the mount shows what the server has.
 */
export async function outboxSequences(
  t: Scenario,
  seeds: readonly number[],
  kinds: readonly Kind[] = KINDS,
): Promise<Counts> {
  const total: Counts = { sequences: 0, steps: 0, calls: 0, duringSend: 0, unseen: 0, kills: 0, oldDatabases: 0 };
  await inParts(t, seeds, async (part, some) => {
    const interleaver = await OutboxInterleaver.open(part, new Set(kinds));
    for (const seed of some) tell(t, await interleaver.run(seed), seed);
    for (const [name, count] of Object.entries(interleaver.counts)) total[name as keyof Counts] += count;
  });
  t.comment(JSON.stringify(total));
  return total;
}

/** Jobs of all types and policies, and people at both ends between any two calls of a run: nothing is lost or doubled. */
export async function jobRuns(
  t: Scenario,
  seeds: readonly number[],
  ends: readonly Ends[] = ENDS,
): Promise<{ runs: number; acts: number }> {
  const total = { runs: 0, acts: 0, points: 0 };
  await inParts(t, seeds, async (part, some) => {
    const interleaver = await JobsInterleaver.open(part);
    for (const seed of some) tell(t, await interleaver.run(seed, ends), seed);
    for (const [name, count] of Object.entries(interleaver.counts)) total[name as keyof typeof total] += count;
  });
  t.comment(JSON.stringify(total));
  return total;
}

export const seedsFrom = (first: number, count: number): number[] => Array.from({ length: count }, (_, n) => first + n);

/** A part of `npm test`: sequences of seeds that are fixed, beside those at which something was found once. */
export async function outboxPart(t: Scenario, found: readonly number[], first: number): Promise<void> {
  const counts = await outboxSequences(t, [...found, ...seedsFrom(first, 60)]);
  const least = { sequences: 60, duringSend: 10, unseen: 10, oldDatabases: 3, kills: 3 } as const;
  for (const [name, count] of Object.entries(least)) {
    const had = counts[name as keyof typeof least];
    t.ok(had >= count, `${name}: ${had}`);
  }
}

/** A part of `npm test`: a job of each seed, with three runs. */
export async function jobsPart(t: Scenario, found: readonly number[], first: number): Promise<void> {
  const { runs, acts } = await jobRuns(t, [...found, ...seedsFrom(first, 70)]);
  t.ok(runs >= 200, `${runs} runs`);
  t.ok(acts >= 200, `${acts} acts while one was on its way`);
}

async function inParts(
  t: Scenario,
  seeds: readonly number[],
  work: (part: Pick<Scenario, 'teardown'>, some: readonly number[]) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < seeds.length; at += TOGETHER) {
    const cleanups: (() => unknown)[] = [];
    try {
      await work({ teardown: (cleanup) => cleanups.unshift(cleanup) }, seeds.slice(at, at + TOGETHER));
    } finally {
      for (const cleanup of cleanups) await cleanup();
    }
    if (seeds.length > TOGETHER) t.comment(`${Math.min(at + TOGETHER, seeds.length)} so far`);
  }
}
