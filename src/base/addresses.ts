import { BlockList, isIP } from 'node:net';

/** Normalizes an address: removes the IPv6 prefix of a mapped IPv4 address, and the interface of a scoped one. */
export const plainAddress = (text: string): string => text.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');

/** A list of addresses and networks: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`. */
export class AddressList {
  readonly #list = new BlockList();

  /** @throws Error for a text that is neither */
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

/** Loopback addresses of this machine. */
export const LOOPBACK = new AddressList(['127.0.0.0/8', '::1']);

/** Networks that are not part of the public internet (RFC 6890, RFC 4291, RFC 6598). */
const NOT_PUBLIC = new AddressList([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3',
  '::/127',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2002::/16',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
]);

/** Whether an IP address belongs to the public internet. */
export const isPublicAddress = (address: string): boolean => !NOT_PUBLIC.has(address);
