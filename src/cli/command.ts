import { readConfiguration } from '../base/configuration.js';
import { Failure } from '../base/errors.js';
import { defaultStateFolder, type OptionName, type OptionValues, resolveOptions } from '../base/options.js';
import { StateFolder } from '../project/state-folder.js';

/** A flag of a single command. */
export interface FlagRow {
  /** As commander writes it: `--name VALUE`, `--name`, `--name <value...>`. */
  readonly flags: string;
  readonly help: string;
  /** The flag may be repeated. */
  readonly repeat?: true;
}

/** One command: parser, help and documentation are generated from this row. */
export interface Command {
  /** For example `mount` or `connections add`. */
  readonly name: string;
  readonly arguments?: string;
  readonly summary: string;
  /** Options from the product's option table; every command also takes --state, --log-level and --json. */
  readonly options?: readonly OptionName[];
  readonly flags?: readonly FlagRow[];
  readonly hidden?: true;
  /** Arguments are passed on unchanged: no options are parsed. */
  readonly passThrough?: true;
  run(context: CommandContext): Promise<void>;
}

/** Options that every command takes. */
export const COMMON_OPTIONS: readonly OptionName[] = ['state', 'log_level'];

type Given = Readonly<Partial<Record<OptionName, string>>>;

/** The input of a command: arguments, and options from all four sources; it also writes the output. */
export class CommandContext {
  readonly args: readonly string[];
  readonly flags: Readonly<Record<string, unknown>>;
  readonly json: boolean;
  readonly #given: Given;
  #state: StateFolder | undefined;

  constructor(args: readonly string[], flags: Readonly<Record<string, unknown>>, given: Given) {
    this.args = args;
    this.flags = flags;
    this.json = flags.json === true;
    this.#given = given;
  }

  argument(index: number): string {
    const value = this.args[index];
    if (value === undefined) throw new Failure('usage', { what: 'an argument is missing' });
    return value;
  }

  flag(name: string): string | undefined {
    const value = this.flags[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** The state folder by --state, environment or default; created when missing. `more`: options from `-o`. */
  state(more: Given = {}): StateFolder {
    this.#state ??= new StateFolder(this.statePath(more));
    return this.#state;
  }

  statePath(more: Given = {}): string {
    const given = this.#given.state ?? more.state ?? process.env.PROCOREFS_STATE;
    return given
      ? String(resolveOptions({ given: { state: given }, environment: {}, file: {} }).state)
      : defaultStateFolder(process.getuid?.(), process.env);
  }

  /** Values of all options: command line, then `-o`, environment, configuration file, default. */
  options(more: Given = {}): OptionValues {
    return this.#resolved(more, { ...more, ...this.#given });
  }

  /** Like `options`, but `own` overrides the command line. */
  optionsWith(own: Given): OptionValues {
    return this.#resolved({}, { ...this.#given, ...own });
  }

  #resolved(more: Given, given: Given): OptionValues {
    return resolveOptions({
      given,
      environment: process.env,
      file: readConfiguration(this.state(more).configFile),
    });
  }

  print(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  /** Prints `value` as JSON with --json, else `text`. */
  show(value: unknown, text: () => string): void {
    this.print(this.json ? JSON.stringify(value) : text());
  }
}
