import { Failure } from '../base/errors.js';

/** A project, or a folder of one, as the user names it: `CONNECTION:PROJECT[/folder]`. */
export interface Source {
  readonly connection: string;
  /** Name or id; empty for a connection that is bound to one project. */
  readonly project: string;
  /** Path within the project, without slashes at its ends. */
  readonly folder: string;
}

/** @throws Failure `usage` */
export function parseSource(text: string): Source {
  const colon = text.indexOf(':');
  if (colon <= 0) throw new Failure('usage', { what: `"${text}" is not CONNECTION:PROJECT[/folder]` });
  const [project = '', ...folder] = text.slice(colon + 1).split('/');
  return { connection: text.slice(0, colon), project, folder: folder.filter((part) => part !== '').join('/') };
}
