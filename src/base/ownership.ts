import { lstatSync, statSync } from 'node:fs';
import { Failure } from './errors.js';

/** The effective user of this process, who owns the files that it creates. */
export const actingUser = (): number => process.geteuid?.() ?? 0;

const permissions = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');

/** Trusted files must belong to the acting user or root, who can change them anyway. @throws Failure `state-foreign` */
export function refuseForeign(path: string, { uid }: { readonly uid: number }): void {
  if (uid !== actingUser() && uid !== 0) throw new Failure('state-foreign', { path, owner: uid });
}

/** @param bits of the mode that must not be set. @throws Failure `state-unsafe` */
export function refuseOpen(path: string, { mode }: { readonly mode: number }, bits: number): void {
  if ((mode & bits) !== 0) throw new Failure('state-unsafe', { path, mode: permissions(mode) });
}

/**
 * Requires that a folder of secrets belongs to this user and is closed to all others. A symbolic link to it must belong
 * to this user or root. Nothing is corrected here: what others had access to must be checked by a person.
 * @throws Failure `state-foreign`, `state-unsafe`
 */
export const refuseUnlessPrivate = (path: string): void => refuseUnlessOwn(path, 0o077);

/**
 * Requires that only this user can write to a folder. It may be reached through a link to a larger disk.
 * @throws Failure `state-foreign`, `state-unsafe`
 */
export function refuseUnlessOwn(path: string, bits = 0o022): void {
  refuseForeign(path, lstatSync(path));
  const found = statSync(path);
  if (found.uid !== actingUser()) throw new Failure('state-foreign', { path, owner: found.uid });
  refuseOpen(path, found, bits);
}
