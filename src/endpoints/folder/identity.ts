import type { Stats } from 'node:fs';

/** Identity of a file: tells it from any other file that may take its name, also after a rename. */
export const identityOf = ({ size, mtimeMs, ino }: Stats, remote: boolean): string =>
  // A network file system may assign inode numbers anew at each look-up.
  JSON.stringify([size, mtimeMs, remote || ino]);
