/** `read` permits reading, `manage` permits changes as well. */
export const ROLES = ['read', 'manage'] as const;
export type Role = (typeof ROLES)[number];

/** The user of a request. */
export interface Account {
  readonly name: string;
  readonly role: Role;
  /** The user at the unix socket: the one that the service runs as. */
  readonly isOwner?: true;
}

export const permits = ({ role }: Account, needed: Role): boolean => role === 'manage' || needed === 'read';

/** Users who only read do not see private items. */
export const isReader = (account: Account): boolean => !permits(account, 'manage');
