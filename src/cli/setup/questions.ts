import { oneLine } from '../../base/text.js';
import type { CommandContext } from '../command.js';
import { askHidden, type StandardInput } from '../terminal.js';

const COUNT = 5;

/** Asks questions at the terminal or on standard input; an empty answer or the end of input selects the default. */
export class Questions {
  readonly #context: CommandContext;
  readonly #input: StandardInput;
  readonly #say: (line: string) => void;
  #asked = 0;

  constructor(context: CommandContext, input: StandardInput, say: (line: string) => void) {
    this.#context = context;
    this.#input = input;
    this.#say = say;
  }

  /** Asks one of the five numbered questions, unless the flag answers it. */
  async ask(question: string, standard: string, flag: string): Promise<string> {
    const number = `${++this.#asked}/${COUNT}`;
    const given = this.#context.flag(flag);
    return this.#answer(`${number}  ${question}`, standard, given);
  }

  /** Asks for a detail of one of the five questions, unless the flag answers it. */
  detail(question: string, standard: string, flag: string): Promise<string> {
    return this.#answer(`     ${question}`, standard, this.#context.flag(flag));
  }

  /** Asks for a secret; a terminal does not echo it. */
  async secret(question: string): Promise<string> {
    if (process.stdin.isTTY) return (await askHidden(`     ${question}: `)).reveal();
    return (await this.#input.line())?.trim() ?? '';
  }

  async #answer(question: string, standard: string, given: string | undefined): Promise<string> {
    const shown = `${question} [${oneLine(standard, 200)}]: `;
    if (given !== undefined || this.#context.flags.yes === true) {
      this.#say(`${shown}${oneLine(given ?? standard, 200)}`);
      return given ?? standard;
    }
    if (process.stdin.isTTY) process.stderr.write(shown);
    const answer = (await this.#input.line())?.trim() || standard;
    if (!process.stdin.isTTY) this.#say(`${shown}${oneLine(answer, 200)}`);
    return answer;
  }
}
