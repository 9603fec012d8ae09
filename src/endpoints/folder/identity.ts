import type { Stats } from 'node:fs';

/** What tells a file of this moment from any that may come, also after it was renamed. */
export const identityOf = ({ size, mtimeMs, ino }: Stats, remote: boolean): string =>
  // Over a network, numbers of files may be made up anew at each look.
  JSON.stringify([size, mtimeMs, remote || ino]);
