import { PRIVATE } from '../mirror/database/flags.js';

/** How a mount shows items that are private in Procore: only the owner may open them, not at all, or like others. */
export type Privacy = 'owner' | 'hide' | 'show';

const OWNER_BITS = 0o700;
const ALL_BITS = 0o7777;

/** The most permission bits of an item. The content of a private folder is protected by the bits of the folder. */
export const privateBits = (flags: number, privacy: Privacy): number =>
  privacy === 'owner' && (flags & PRIVATE) !== 0 ? OWNER_BITS : ALL_BITS;

export const isConcealed = (flags: number, privacy: Privacy): boolean => privacy === 'hide' && (flags & PRIVATE) !== 0;
