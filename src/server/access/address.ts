import { BlockList, isIP } from 'node:net';

/** As it is written elsewhere: an IPv4 address that came in by IPv6, and one with its interface, without these. */
export const plainAddress = (text: string): string => text.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');

/** What one client has of addresses: of IPv6 everybody gets 2^64. */
export function clientOf(address: string | undefined): string {
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

/** Addresses and networks: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`. */
export class AddressList {
  readonly #list = new BlockList();

  /** @throws Error for what is neither */
  constructor(texts: readonly string[]) {
    for (const text of texts) {
      const [address = '', bits, ...more] = text.split('/');
      const kind = isIP(address);
      const isWhole = bits === undefined || /^\d{1,3}$/.test(bits);
      if (kind === 0 || !isWhole || more.length > 0 || Number(bits ?? 0) > (kind === 4 ? 32 : 128))
        throw new Error(`"${text}" is no address and no network such as 10.0.0.0/8`);
      const family = kind === 4 ? 'ipv4' : 'ipv6';
      if (bits === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(bits), family);
    }
  }

  has(address: string | undefined): boolean {
    const plain = plainAddress(address ?? '');
    const kind = isIP(plain);
    return kind !== 0 && this.#list.check(plain, kind === 4 ? 'ipv4' : 'ipv6');
  }
}

/** Addresses of this machine itself, whoever listens there. */
export const LOOPBACK = new AddressList(['127.0.0.0/8', '::1']);
