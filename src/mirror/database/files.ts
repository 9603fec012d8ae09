import type { DatabaseOptions } from '../../database/open.js';
import { mirrorMigrations } from './schema.js';

/** Options with which every part opens `mirror.db`. */
export const mirrorOptions: DatabaseOptions = {
  migrations: mirrorMigrations,
  synchronous: 'NORMAL',
  damagedHint: 'delete it: it is filled again from the server',
  cacheKiB: 16_384,
};
