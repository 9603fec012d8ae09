/** `read` looks, `manage` changes as well. */
export const ROLES = ['read', 'manage'] as const;
export type Role = (typeof ROLES)[number];

/** Who asks. */
export interface Account {
  readonly name: string;
  readonly role: Role;
  /** Whoever opens the unix socket: the user that the service runs as. */
  readonly isOwner?: true;
}

export const permits = ({ role }: Account, needed: Role): boolean => role === 'manage' || needed === 'read';

/** Whoever only looks does not see what is private. */
export const isReader = (account: Account): boolean => !permits(account, 'manage');
