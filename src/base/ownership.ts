import { lstatSync, statSync } from 'node:fs';
import { Failure } from './errors.js';

/** Who this process acts as; files that it makes are this user's. */
export const actingUser = (): number => process.geteuid?.() ?? 0;

const permissions = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');

/** What this process believes must be nobody else's; root could change it anyway. @throws Failure `state-foreign` */
export function refuseForeign(path: string, { uid }: { readonly uid: number }): void {
  if (uid !== actingUser() && uid !== 0) throw new Failure('state-foreign', { path, owner: uid });
}

/** @param bits of the mode that must not be set. @throws Failure `state-unsafe` */
export function refuseOpen(path: string, { mode }: { readonly mode: number }, bits: number): void {
  if ((mode & bits) !== 0) throw new Failure('state-unsafe', { path, mode: permissions(mode) });
}

/**
 * A folder of secrets: this user's, and closed to all others. A symbolic link to it may only be this user's or root's.
 * Nothing is corrected here: what others could get at is for a person to look through.
 * @throws Failure `state-foreign`, `state-unsafe`
 */
export const refuseUnlessPrivate = (path: string): void => refuseUnlessOwn(path, 0o077);

/**
 * A folder that only this user writes to, perhaps through a link to a larger disk.
 * @throws Failure `state-foreign`, `state-unsafe`
 */
export function refuseUnlessOwn(path: string, bits = 0o022): void {
  refuseForeign(path, lstatSync(path));
  const found = statSync(path);
  if (found.uid !== actingUser()) throw new Failure('state-foreign', { path, owner: found.uid });
  refuseOpen(path, found, bits);
}
