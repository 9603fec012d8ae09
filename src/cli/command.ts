import { readConfiguration } from '../base/configuration.js';
import { Failure } from '../base/errors.js';
import { defaultStateFolder, type OptionName, type OptionValues, resolveOptions } from '../base/options.js';
import { StateFolder } from '../project/state-folder.js';

/** A flag that only one command has. */
export interface FlagRow {
  /** As commander writes it: `--name VALUE`, `--name`, `--name <value...>`. */
  readonly flags: string;
  readonly help: string;
  /** May be given several times. */
  readonly repeat?: true;
}

/** One command: a row from which parser, help and documentation are made. */
export interface Command {
  /** `mount`, `connections add` */
  readonly name: string;
  readonly arguments?: string;
  readonly summary: string;
  /** Options of the product's table that the command takes; all take --state, --log-level and --json. */
  readonly options?: readonly OptionName[];
  readonly flags?: readonly FlagRow[];
  readonly hidden?: true;
  /** Takes its words as they are: no option of it is parsed. */
  readonly passThrough?: true;
  run(context: CommandContext): Promise<void>;
}

/** Options that every command takes. */
export const COMMON_OPTIONS: readonly OptionName[] = ['state', 'log_level'];

type Given = Readonly<Partial<Record<OptionName, string>>>;

/** What a command gets: its words, its options from all four places, and where its output goes. */
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

  /** The same, of which `own` overrides the command line. */
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

  /** JSON for scripts, `text` for people. */
  show(value: unknown, text: () => string): void {
    this.print(this.json ? JSON.stringify(value) : text());
  }
}
