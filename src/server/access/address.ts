import { isIP } from 'node:net';
import { plainAddress } from '../../base/addresses.js';

/** The part of an address that identifies one client: for IPv6 the /64 prefix, because a client has 2^64 addresses. */
export function clientAddress(address: string | undefined): string {
  const plain = plainAddress(address ?? '');
  if (isIP(plain) !== 6) return plain;
  const [head = '', tail] = plain.toLowerCase().split('::', 2);
  const before = head === '' ? [] : head.split(':');
  const after = tail ? tail.split(':') : [];
  const groups = 8 - (plain.includes('.') ? 1 : 0);
  const zeros = Array.from({ length: Math.max(0, groups - before.length - after.length) }, () => '0');
  const first = [...before, ...zeros, ...after].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${first.join(':')}::/64`;
}
