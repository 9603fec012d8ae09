import { isAbsolute, resolve } from 'node:path';
import * as z from 'zod';
import { AllowedHosts, allowedHostsSchema, isLoopback } from '../base/allowed-hosts.js';
import { readSection } from '../base/configuration.js';
import { Failure } from '../base/errors.js';
import { isWithin, realPath } from '../base/real-path.js';
import { environments } from '../connections/hosts.js';
import { programsSchema } from '../jobs/definition/job-schema.js';
import type { Account } from './access/account.js';

const folder = z.string().regex(/^\//, 'no absolute path');

/** A folder, or one that users with the role `read` may list as well. */
const root = z.union([
  folder.transform((path) => ({ path, readers: false })),
  z.strictObject({ path: folder, readers: z.boolean().default(false) }),
]);

interface Root {
  readonly path: string;
  readonly readers: boolean;
}

const refused = (what: string): Failure => new Failure('not-permitted-here', { what });

/**
 * What users of the HTTP API may have this service do on its machine and network: the lists of the configuration. The
 * user who can open the unix socket is the one that the service runs as, who can do all of it without the service, and
 * has no limits.
 */
export class Reach {
  readonly hosts: AllowedHosts;
  readonly #roots: readonly Root[];
  readonly #programs: ReadonlySet<string>;

  constructor(roots: readonly Root[], hosts: AllowedHosts, programs: readonly string[]) {
    this.#roots = roots;
    this.hosts = hosts;
    this.#programs = new Set(programs);
  }

  /** @throws Failure `usage` for an invalid section */
  static read(configFile: string): Reach {
    return new Reach(
      readSection(configFile, 'fs_roots', z.array(root).default([])),
      new AllowedHosts(readSection(configFile, 'allowed_hosts', allowedHostsSchema)),
      Object.keys(readSection(configFile, 'programs', programsSchema)),
    );
  }

  /** Folders below which users may create connections. */
  get roots(): readonly string[] {
    return this.#roots.map(({ path }) => path);
  }

  /**
   * The root that contains a folder, links resolved; undefined: none is needed.
   * @throws Failure `not-permitted-here`
   */
  rootOf(account: Account, path: string): string | undefined {
    if (account.isOwner) return undefined;
    const found = isAbsolute(path) ? this.#rootOf(path) : undefined;
    if (!found) throw refused(`the folder ${path} lies in none of "fs_roots"`);
    return found.path;
  }

  /** Whether users with the role `read` may list a folder. */
  isForReaders(path: string): boolean {
    return isAbsolute(path) && this.#rootOf(path)?.readers === true;
  }

  /** The deepest of the roots that contain a folder. */
  #rootOf(path: string): Root | undefined {
    try {
      const real = realPath(resolve(path));
      return this.#roots
        .filter((one) => isWithin(real, realPath(one.path)))
        .sort((a, b) => b.path.length - a.path.length)[0];
    } catch {
      // A folder that the service cannot access is in no root.
      return undefined;
    }
  }

  /** Checks a host that would receive a client secret. @throws Failure `not-permitted-here` */
  requireHost(account: Account, origin: string): void {
    const url = new URL(origin);
    if (account.isOwner || environments.some(({ api, login }) => api === url.origin || login === url.origin)) return;
    if (url.protocol !== 'https:' && !isLoopback(url.hostname))
      throw refused(`a secret would go to ${url.host} unencrypted`);
    if (!this.hosts.has(url)) throw refused(`the host ${url.host} is not Procore's, and not in "allowed_hosts"`);
  }

  /** @throws Failure `not-permitted-here` for a program that the configuration does not name */
  requireProgram(account: Account, name: string): void {
    if (!account.isOwner && !this.#programs.has(name)) throw refused(`"programs" has no "${name}"`);
  }
}
