import { type Row, read } from './api.js';

let session: Row;

/** Asks who is signed in, and what they may. @throws CallFailed */
export async function beginSession(): Promise<void> {
  session = await read('/v1/session');
}

/** Whoever only looks is shown no control that the service would refuse. */
export const mayManage = (): boolean => session?.role === 'manage';

/** What only those see who may change something. */
export const forManagers = <T>(make: () => T): T | null => (mayManage() ? make() : null);

export const userName = (): string => session?.name ?? '';
