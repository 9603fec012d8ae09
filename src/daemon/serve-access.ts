import * as z from 'zod';
import { readConfiguration } from '../base/configuration.js';
import { Failure } from '../base/errors.js';
import { AddressList, LOOPBACK } from '../server/access/address.js';
import type { Place } from '../server/http/listen.js';
import type { Access } from '../server/service.js';
import type { StateFolder } from './state-folder.js';

const hostName = z.string().regex(/^[a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_.])?$/i, 'is no name of a host');

const sections = { hosts: z.array(hostName), trusted_proxies: z.array(z.string()) } as const;

/** `hosts` and `trusted_proxies` of the configuration. @throws Failure `usage` */
export function readAccess({ configFile }: StateFolder): Omit<Access, 'tls'> {
  const configuration = readConfiguration(configFile);
  const wrong = (key: string, cause: unknown): Failure =>
    new Failure('usage', { what: `"${key}" in ${configFile} cannot be used` }, cause);
  const read = (key: keyof typeof sections): readonly string[] => {
    const parsed = sections[key].safeParse(configuration[key] ?? []);
    if (parsed.success) return parsed.data;
    const { path, message } = parsed.error.issues[0]!;
    throw wrong(key, new Error([...path, message].join(': ')));
  };
  try {
    return { hosts: read('hosts'), proxies: new AddressList(read('trusted_proxies')) };
  } catch (error) {
    throw error instanceof Failure ? error : wrong('trusted_proxies', error);
  }
}

/** What a person should know of where the service listens. */
export const warningOf = (place: Place, hasTls: boolean): string | undefined =>
  place.kind === 'socket' || hasTls || place.host === 'localhost' || LOOPBACK.has(place.host)
    ? undefined
    : `passwords and tokens go over the network to ${place.host} unencrypted; give --tls-cert and --tls-key, or listen at 127.0.0.1 behind a proxy with TLS`;
