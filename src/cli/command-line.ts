import { Command as Commander, CommanderError, Option } from 'commander';
import { Failure } from '../base/errors.js';
import { flagOf, type OptionName, optionRows } from '../base/options.js';
import { maskSecrets } from '../base/secret.js';
import { oneLine } from '../base/text.js';
import { COMMON_OPTIONS, type Command, CommandContext } from './command.js';
import { commandsFor } from './commands.js';
import { VERSION } from './version.js';

export const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

async function build(word: string | undefined): Promise<Commander> {
  const program = new Commander('procorefs')
    .description("A Procore project's documents as an ordinary directory")
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError('(see --help)');
  const isVersion = word === '--version' || word === '-V';
  for (const row of isVersion ? [] : await commandsFor(word)) addCommand(program, row);
  return program;
}

function addCommand(program: Commander, row: Command): void {
  const words = row.name.split(' ');
  const parent = words.slice(0, -1).reduce((at, word) => subcommand(at, word), program);
  const name = row.arguments ? `${words.at(-1)} ${row.arguments}` : words.at(-1)!;
  const command = parent.command(name, row.hidden ? { hidden: true } : {}).description(row.summary);
  if (row.passThrough) {
    command
      .allowUnknownOption()
      .helpOption(false)
      .exitOverride()
      .action(() => row.run(new CommandContext(command.args, {}, {})));
    return;
  }
  command.option('--json', 'machine-readable output');
  for (const option of [...(row.options ?? []), ...COMMON_OPTIONS]) command.addOption(toOption(option));
  for (const { flags, help, repeat } of row.flags ?? []) {
    const option = new Option(flags, help);
    if (repeat) option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
    command.addOption(option);
  }
  command.exitOverride().action(async () => {
    const flags = command.opts<Record<string, unknown>>();
    const given: Partial<Record<OptionName, string>> = {};
    for (const option of [...(row.options ?? []), ...COMMON_OPTIONS]) {
      const value = flags[camelCase(option)];
      if (value !== undefined) given[option] = String(value);
    }
    await row.run(new CommandContext(command.args, flags, given));
  });
}

function subcommand(parent: Commander, word: string): Commander {
  return parent.commands.find((c) => c.name() === word) ?? parent.command(word).exitOverride();
}

function toOption(name: OptionName): Option {
  const row = optionRows[name];
  const placeholder = row.placeholder ?? row.choices?.join('|') ?? row.kind.toUpperCase();
  const flags = row.kind === 'flag' ? flagOf(name) : `${flagOf(name)} <${placeholder}>`;
  return new Option(flags, row.default === undefined ? row.help : `${row.help} (default: ${row.default})`);
}

const camelCase = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Runs one command. Exit status: 0 success, 1 failure (one line on standard error), 2 wrong usage. */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  try {
    await (await build(argv[0])).parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
    else process.exitCode = report(error);
  }
}

function report(error: unknown): number {
  const failure = error instanceof Failure ? error : new Failure('internal', {}, error);
  process.stderr.write(`procorefs: ${oneLine(failure.line, 1000)}\n`);
  if (process.env.PROCOREFS_LOG_LEVEL === 'trace' && error instanceof Error)
    process.stderr.write(`${maskSecrets(String(error.stack))}\n`);
  return failure.code === 'usage' ? EXIT_USAGE : EXIT_FAILED;
}
