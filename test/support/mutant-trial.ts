import { execFileSync, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Parser, type Result } from 'tap-parser';
import { TOP } from './mutants.js';

/** How a test file ended. `killed`: an assertion failed; `broken`: it ended in another way than a test that fails does. */
export type Verdict = 'passed' | 'killed' | 'broken' | 'skipped';

export interface Ending {
  readonly verdict: Verdict;
  /** The first assertion that failed, or what was wrong. */
  readonly what: string;
}

/** What is said of a test that failed and does not tell by which assertion. */
const UNTOLD = 'it ended with';
/** Milliseconds that a test file may take. */
const LIMIT = 180_000;

/** The package as it is built, in a folder of its own, in which files of `dist` may be replaced. */
export class Scratch {
  readonly top = mkdtempSync(join(tmpdir(), 'procorefs-mutant-'));

  constructor() {
    for (const name of readdirSync(TOP))
      if (name !== 'dist' && !name.startsWith('.')) symlinkSync(join(TOP, name), join(this.top, name));
    rmSync(join(this.top, 'package.json'));
    copyFileSync(join(TOP, 'package.json'), join(this.top, 'package.json'));
    copy(join(TOP, 'dist'), join(this.top, 'dist'));
  }

  /** Puts other text in the place of what the compiler made of a source file. */
  replace(source: string, text: string): void {
    const path = join(this.top, source.replace(/^src\//, 'dist/').replace(/\.ts$/, '.js'));
    // It is a link: written to, it would be another one in the package as well.
    rmSync(path);
    writeFileSync(path, text);
  }

  /** Makes of what was replaced what is installed. */
  bundle(): void {
    execFileSync(process.execPath, [join(this.top, 'dist/cli/bundle.js')]);
  }

  remove(): void {
    rmSync(this.top, { recursive: true, force: true });
  }

  /** Runs a test file, named by its source. Whatever it started ends with it. */
  async run(test: string): Promise<Ending> {
    // The first thing that is not so is enough; where tap ends before it has told which, all of them are looked at.
    return (await this.#run(test, true)) ?? (await this.#run(test, false))!;
  }

  /** Undefined where it bailed out and nothing tells why. */
  async #run(test: string, bails: boolean): Promise<Ending | undefined> {
    const { NODE_OPTIONS: _, ...env } = process.env;
    const path = `dist/${test.replace(/\.ts$/, '.js')}`;
    const child = spawn(process.execPath, [path], {
      cwd: this.top,
      env: { ...env, TAP_TIMEOUT: String(LIMIT / 1000), ...(bails && { TAP_BAIL: '1' }) },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const end = (): void => {
      try {
        process.kill(-child.pid!, 'SIGKILL');
      } catch {
        // It has ended.
      }
    };
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      end();
    }, LIMIT + 5000);
    process.on('exit', end);
    let out = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => (out += String(chunk)));
    child.stderr.on('data', (chunk: Buffer) => (errors = (errors + String(chunk)).slice(-4000)));
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
      child.on('exit', (...how) => resolve(how));
    });
    clearTimeout(timer);
    process.off('exit', end);
    end();
    if (isLate) return { verdict: 'broken', what: 'it did not end' };
    const ending = endingOf(out, code, signal ?? errorLine(errors));
    return bails && /^Bail out!/m.test(out) && ending.what.startsWith(UNTOLD) ? undefined : ending;
  }
}

const errorLine = (text: string): string => {
  const lines = text.trim().split('\n');
  return lines.find((line) => /Error/.test(line)) ?? lines.at(-1)!;
};

function copy(from: string, to: string): void {
  mkdirSync(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.name.startsWith('.') || entry.name.endsWith('.map')) continue;
    const [one, other] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) copy(one, other);
    else link(one, other);
  }
}

function link(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    // Another disk.
    copyFileSync(from, to);
  }
}

function endingOf(out: string, code: number | null, last: string): Ending {
  const points = Parser.parse(out, { flat: true }).flatMap(([event, point]) =>
    event === 'assert' ? [point as Result] : [],
  );
  const failed = points.filter(({ ok, skip, todo }) => !ok && skip === false && todo === false);
  const failure = failed.find(isAssertion);
  if (failure) return { verdict: 'killed', what: failure.fullname || failure.name };
  const [other] = failed;
  if (other) return { verdict: 'broken', what: `${other.fullname || other.name} (${typeOf(other)})` };
  if (code !== 0) return { verdict: 'broken', what: `${UNTOLD} ${code}: ${last}` };
  if (points.every(({ skip }) => skip !== false)) return { verdict: 'skipped', what: 'it was skipped' };
  return { verdict: 'passed', what: '' };
}

interface Diagnosis {
  readonly tapCaught?: string;
  readonly type?: string;
  readonly expired?: string;
  readonly signal?: string;
  readonly at?: { readonly fileName?: string };
}

const diagnosisOf = ({ diag }: Result): Diagnosis => (diag ?? {}) as Diagnosis;

const typeOf = (point: Result): string => {
  const { expired, signal, type } = diagnosisOf(point);
  return expired === undefined ? (signal ?? type ?? 'it ended otherwise') : 'out of time';
};

/** Something that a test asked for is not so, by itself or as a helper or a property says it: with an error of its own. */
function isAssertion(point: Result): boolean {
  const { tapCaught, type, expired, signal, at } = diagnosisOf(point);
  if (expired !== undefined || signal !== undefined) return false;
  if (/Property failed after \d/.test(point.name)) return true;
  if (tapCaught === undefined) return at !== undefined;
  const isTests = /(^|\/)test\//.test(at?.fileName ?? '');
  // That it is a plain error goes without saying there.
  return isTests && (type === undefined || type === 'Error' || type === 'AssertionError');
}

/** Whether the test is there in what was built. */
export const isBuilt = (test: string): boolean => existsSync(join(TOP, 'dist', test.replace(/\.ts$/, '.js')));
