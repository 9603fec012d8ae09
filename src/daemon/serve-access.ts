import * as z from 'zod';
import { AddressList, LOOPBACK } from '../base/addresses.js';
import { readSection } from '../base/configuration.js';
import { Failure, isFailure } from '../base/errors.js';
import type { StateFolder } from '../project/state-folder.js';
import type { ListenAddress } from '../server/http/listen.js';
import type { Reach } from '../server/reach.js';
import type { ServiceAccess } from '../server/service.js';

const hostName = z.string().regex(/^[a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_.])?$/i, 'is no name of a host');

/** `hosts` and `trusted_proxies` of the configuration. @throws Failure `usage` */
export function readAccess({ configFile }: StateFolder): Omit<ServiceAccess, 'tls'> {
  const hosts = readSection(configFile, 'hosts', z.array(hostName).default([]));
  const proxies = readSection(configFile, 'trusted_proxies', z.array(z.string()).default([]));
  try {
    return { hosts, proxies: new AddressList(proxies) };
  } catch (error) {
    if (isFailure(error)) throw error;
    throw new Failure('usage', { what: `"trusted_proxies" in ${configFile} cannot be used` }, error);
  }
}

/** Warnings about the address at which the service listens, and about what its users can do. */
export function warningsOf(
  place: ListenAddress,
  hasTls: boolean,
  { roots }: Reach,
  { configFile }: StateFolder,
): string[] {
  if (place.kind === 'socket') return [];
  const isPlain = !hasTls && place.host !== 'localhost' && !LOOPBACK.has(place.host);
  return [
    ...(isPlain
      ? [
          `passwords and tokens go over the network to ${place.host} unencrypted; give --tls-cert and --tls-key, or listen at 127.0.0.1 behind a proxy with TLS`,
        ]
      : []),
    ...(roots.length === 0
      ? [`no folder of this machine is open to users; "fs_roots": ["/srv/…"] in ${configFile} opens some`]
      : []),
  ];
}
