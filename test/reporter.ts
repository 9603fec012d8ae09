import { Transform } from 'node:stream';
import { Parser } from 'tap-parser';

interface Assertion {
  readonly ok: boolean;
  readonly name: string;
  readonly fullname?: string;
  readonly skip?: string | boolean;
  readonly todo?: string | boolean;
  readonly diag?: unknown;
  /** Milliseconds. */
  readonly time?: number | null;
}

/** Prints a line a test file, each failure with its details, why a test was skipped, and last the three counts. */
export default class Reporter extends Transform {
  readonly #parser = new Parser();
  #passed = 0;
  #failed = 0;
  #skipped = 0;

  constructor() {
    super();
    this.#watch(this.#parser, []);
  }

  #watch(parser: Parser, path: readonly string[]): void {
    let summaryOfChild = false;
    parser.on('child', (child: Parser) => {
      summaryOfChild = true;
      this.#watch(child, [...path, (child as unknown as { name: string }).name]);
    });
    parser.on('assert', (result: Assertion) => {
      const isSummary = summaryOfChild;
      summaryOfChild = false;
      if (path.length === 0) this.push(`${result.ok ? 'ok    ' : 'FAILED'} ${result.name}${seconds(result.time)}\n`);
      const where = [...path, result.name].join(' > ');
      if (result.skip) {
        this.#skipped++;
        this.push(`skipped: ${where}: ${String(result.skip)}\n`);
      } else if (!isSummary && result.ok) this.#passed++;
      else if (!isSummary) {
        this.#failed++;
        this.push(`FAILED: ${where}\n${JSON.stringify(result.diag, null, 2)}\n`);
      }
    });
    parser.on('bailout', (reason: string) => this.push(`bailed out: ${reason}\n`));
  }

  override _transform(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#parser.write(chunk);
    done();
  }

  override _flush(done: () => void): void {
    this.#parser.end();
    this.push(`${this.#passed} passed, ${this.#failed} failed, ${this.#skipped} skipped\n`);
    done();
  }
}

const seconds = (ms: number | null | undefined): string => (ms ? ` (${(ms / 1000).toFixed(1)} s)` : '');
