import type { Case, Row } from './case.js';
import { apiReads } from './cases/api-reads.js';
import { bigFile } from './cases/big-file.js';
import { cachedReads } from './cases/cached-reads.js';
import { copyOut } from './cases/copy-out.js';
import { crawl } from './cases/crawl.js';
import { drivers } from './cases/drivers.js';
import { eventLoop } from './cases/event-loop.js';
import { findNormal, findWide } from './cases/find.js';
import { fresh } from './cases/fresh.js';
import { recycle } from './cases/recycle.js';
import { simulatorSpeed } from './cases/simulator.js';
import { smallFiles } from './cases/small-files.js';
import { writing } from './cases/writing.js';
import { Scope } from './scope.js';

/** `npm run bench [-- CASE…]`: measures, and prints a table. Exit code 1 if a goal is missed, 2 for an unknown case. */
const cases: readonly Case[] = [
  crawl,
  findWide,
  findNormal,
  smallFiles,
  bigFile,
  cachedReads,
  writing,
  copyOut,
  drivers,
  simulatorSpeed,
  recycle,
  eventLoop,
  fresh,
  apiReads,
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !cases.some((one) => one.name === name));
if (unknown.length > 0) {
  console.error(`no such case: ${unknown.join(', ')}; there are: ${cases.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

const scopes = new Set<Scope>();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, async () => {
    for (const scope of scopes) await scope.close();
    process.exit(1);
  });

const table: (Row & { readonly name: string })[] = [];
for (const one of cases) {
  if (wanted.length > 0 && !wanted.includes(one.name)) continue;
  console.log(`\n${one.name}`);
  const scope = new Scope();
  scopes.add(scope);
  try {
    for (const row of await one.run(scope, (line) => console.log(`  ${line}`))) table.push({ name: one.name, ...row });
  } catch (error) {
    const measured = error instanceof Error ? error.message.slice(0, 200) : String(error);
    table.push({ name: one.name, what: 'the case itself', goal: 'runs', measured, ok: false });
  } finally {
    await scope.close();
    scopes.delete(scope);
  }
}

const lines = [
  ['case', 'what', 'goal', 'measured', ''],
  ...table.map(({ name, what, goal, measured, ok }) => [name, what, goal, measured, verdict(ok)]),
];
const widths = [0, 1, 2, 3].map((column) => Math.max(...lines.map((line) => line[column]!.length)));
console.log();
for (const line of lines)
  console.log(
    line
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
process.exitCode = table.some(({ ok }) => ok === false) ? 1 : 0;

function verdict(ok: boolean | undefined): string {
  if (ok === undefined) return 'reported';
  return ok ? 'ok' : 'SHORT';
}
