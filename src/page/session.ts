import { type Row, read } from './api.js';

let session: Row;

/** Requests the signed-in user and their role. @throws CallFailed */
export async function beginSession(): Promise<void> {
  session = await read('/v1/session');
}

/** Whether the user may change anything; other users see no control that the service would refuse. */
export const mayManage = (): boolean => session?.role === 'manage';

/** Makes an element only for users who may change something. */
export const forManagers = <T>(make: () => T): T | null => (mayManage() ? make() : null);

export const userName = (): string => session?.name ?? '';
