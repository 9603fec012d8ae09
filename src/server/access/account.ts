/** `read` looks, `manage` changes as well. */
export const ROLES = ['read', 'manage'] as const;
export type Role = (typeof ROLES)[number];

/** Who asks. */
export interface Account {
  readonly name: string;
  readonly role: Role;
}

export const permits = ({ role }: Account, needed: Role): boolean => role === 'manage' || needed === 'read';
