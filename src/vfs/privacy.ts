import { PRIVATE } from '../mirror/database/flags.js';

/** What a mount makes of items that Procore says are private: only the owner may open them, nobody sees them, or as others. */
export type Privacy = 'owner' | 'hide' | 'show';

const OWNER_BITS = 0o700;
const ALL_BITS = 0o7777;

/** The permission bits that an item may have at most. What is in a private folder is kept by the folder's. */
export const privateBits = (flags: number, privacy: Privacy): number =>
  privacy === 'owner' && (flags & PRIVATE) !== 0 ? OWNER_BITS : ALL_BITS;

export const isConcealed = (flags: number, privacy: Privacy): boolean => privacy === 'hide' && (flags & PRIVATE) !== 0;
