import { createHash } from 'node:crypto';
import { isFailure } from '../base/errors.js';
import type { ProjectId, RemoteId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import type { ProcoreClient } from './client.js';
import type { RemoteItem, RemoteVersion } from './items.js';
import type { Storage } from './storage.js';
import type { SavedUpload } from './uploads.js';

/** Sent content: its consecutive ranges, as they were announced. */
export type Digests = readonly { readonly size: number; readonly sha256: string }[];

export const digestsOf = ({ segments }: SavedUpload): Digests => segments.map(({ size, sha256 }) => ({ size, sha256 }));

export const isSameContent = (a: Digests | undefined, b: Digests | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  sizeOfDigests(a) === sizeOfDigests(b) &&
  JSON.stringify(a) === JSON.stringify(b);

export const sizeOfDigests = (digests: Digests): number => digests.reduce((sum, { size }) => sum + size, 0);

export interface OwnWorkOptions {
  readonly client: ProcoreClient;
  readonly storage: Storage;
  readonly project: ProjectId;
  /** Login and name of the connection's account; empty: not known. */
  readonly account: readonly string[];
}

/** The file whose versions are checked. */
type File = Pick<RemoteItem, 'id' | 'name'>;

/**
 * Tells the versions made by this account's calls with unknown outcome from those of others: by author, and by bytes.
 * Times do not help: another host of the same account may work at the same moment, and a server may complete a call at
 * any time.
 */
export class OwnWork {
  readonly #options: OwnWorkOptions;
  #account: Promise<readonly string[]> | undefined;

  constructor(options: OwnWorkOptions) {
    this.#options = options;
  }

  /**
   * Whether this account made a version of exactly these bytes. The bytes are downloaded, which costs no call; one call
   * is made, once, where the account is not known, and one more where the URL has expired.
   * @throws Failure as a download does
   */
  async isOurs(file: File, version: RemoteVersion, sent: Digests, call: CallOptions): Promise<boolean> {
    if (version.size !== sizeOfDigests(sent)) return false;
    if (version.createdBy !== undefined) {
      const account = await this.#names(call);
      if (account.length > 0 && !account.includes(version.createdBy)) return false;
    }
    return version.size === 0 || this.#hasBytes(file, version, sent, call);
  }

  /**
   * The first version of a file that this account made with these bytes: 1 call where the file has more than one
   * version.
   */
  async made(file: RemoteItem, sent: Digests, call: CallOptions): Promise<RemoteVersion | undefined> {
    const { client, project } = this.#options;
    const isFirst = file.version?.number === 1;
    const versions = isFirst ? [file.version] : await client.versions(project, file.id, call);
    const first = versions.find(({ number }) => number === 1);
    return first && (await this.isOurs(file, first, sent, call)) ? first : undefined;
  }

  /**
   * The newest of our versions with a number above the given one, if there is one: 1 call where it is not the current
   * version.
   */
  async versionAfter(
    file: RemoteItem,
    number: number,
    sent: Digests,
    call: CallOptions,
  ): Promise<RemoteVersion | undefined> {
    const { version } = file;
    if (!version || version.number <= number) return undefined;
    if (await this.isOurs(file, version, sent, call)) return version;
    if (version.number === number + 1) return undefined;
    const { client, project } = this.#options;
    const below = (await client.versions(project, file.id, call)).filter(({ id }) => id !== version.id);
    return this.newestOf(file, below, number, sent, call);
  }

  /** The newest of the given versions that is ours and above the given number: only the calls of `isOurs`. */
  async newestOf(
    file: File,
    versions: readonly RemoteVersion[],
    number: number,
    sent: Digests,
    call: CallOptions,
  ): Promise<RemoteVersion | undefined> {
    for (const one of versions.toSorted((a, b) => b.number - a.number))
      if (one.number > number && (await this.isOurs(file, one, sent, call))) return one;
    return undefined;
  }

  #names(call: CallOptions): Promise<readonly string[]> {
    const { account, client } = this.#options;
    if (account.length > 0) return Promise.resolve(account);
    this.#account ??= client
      .me(call)
      .then(({ login, name }) => [login, name].filter((text) => text !== undefined))
      .catch((error: unknown) => {
        this.#account = undefined;
        throw error;
      });
    return this.#account;
  }

  async #hasBytes(file: File, version: RemoteVersion, sent: Digests, call: CallOptions): Promise<boolean> {
    for (let { url } = version, again = false; ; again = true) {
      url ??= await this.#address(file.id, version, call);
      if (url === undefined) return false;
      try {
        return await this.#isContent(url, file, sent, call);
      } catch (error) {
        if (again || !isFailure(error, 'url-expired')) throw error;
        url = undefined;
      }
    }
  }

  async #address(id: RemoteId, version: RemoteVersion, call: CallOptions): Promise<string | undefined> {
    const versions = await this.#options.client.versions(this.#options.project, id, call);
    return versions.find((one) => one.id === version.id)?.url;
  }

  async #isContent(url: string, { name }: File, sent: Digests, { signal }: CallOptions): Promise<boolean> {
    const { body } = await this.#options.storage.download({ url, label: name, ...(signal ? { signal } : {}) });
    const digests = [...sent];
    let hash = createHash('sha256');
    let left = digests[0]?.size ?? 0;
    for await (const chunk of body) {
      for (let at = 0; at < chunk.length; ) {
        const [digest] = digests;
        if (!digest) return false;
        const part = chunk.subarray(at, at + left);
        hash.update(part);
        at += part.length;
        left -= part.length;
        if (left > 0) continue;
        if (hash.digest('hex') !== digest.sha256) return false;
        digests.shift();
        hash = createHash('sha256');
        left = digests[0]?.size ?? 0;
      }
    }
    return digests.length === 0;
  }
}
