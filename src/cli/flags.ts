import { Failure } from '../base/errors.js';
import type { CommandContext } from './command.js';

/** The integer value of a command's own flag; undefined if the flag is absent. @throws Failure `usage` */
export function numberFlag(context: CommandContext, name: string): number | undefined {
  const text = context.flag(name);
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new Failure('usage', { what: `--${kebab(name)} ${text} is not a number` });
  return Number(text);
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
