import type { Clock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import { type NodeId, ROOT_NODE } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import { OncePer } from '../../base/once-per.js';
import type { Context } from '../../fuse/filesystem.js';
import { forwardReading, forwardWriting, type Hooks } from '../../fuse/forwarding.js';
import type { FileSystem, WritingOperations } from '../../fuse/operations.js';
import type { CompanyProjects } from '../../mirror/company/company-projects.js';
import { isProbe } from '../../names/probes.js';
import type { Ownership } from '../attributes.js';
import { STATISTICS } from '../project-filesystem.js';
import { CompanyFolder } from './company-folder.js';
import { ProjectRequests } from './project-requests.js';
import { type OpenProject, ServedProjects } from './served-projects.js';

/** How a mount shows a company. */
export interface CompanyShowing {
  readonly owner: Ownership;
  readonly readOnly: boolean;
  /** Seconds after its last use for which a project stays open. */
  readonly idle: number;
  readonly log: Log;
}

const PROCORE_XATTR = 'user.procore.';

const isRoot = (node: NodeId): boolean => node === ROOT_NODE;

/**
 * A company: one folder per project, served by a `ProjectFileSystem`. What is listed here is answered otherwise, or
 * without opening a project.
 */
export function companyFileSystem(
  company: CompanyProjects,
  open: OpenProject,
  { owner, readOnly, idle, log }: CompanyShowing,
): FileSystem & { told(): Promise<void> } {
  const served = new ServedProjects({ company, open, log, idle: idle * 1000, mode: 0o777 & ~owner.umask });
  const folder = new CompanyFolder(company, served, owner, log);
  const requests = new ProjectRequests(company.store, served, folder);
  const run: Hooks['run'] = (operation, args) => requests.run(operation, args);
  const inProject = forwardReading({ run });
  return {
    ...inProject,
    ...(readOnly ? {} : { writable: companyWriting(run, company.clock, log) }),

    lookup(parent, name, context) {
      if (isRoot(parent)) return folder.lookup(name);
      // Names that desktops probe in every folder must not open a project.
      if (isProbe(name) && requests.isClosedFolder(parent)) return { node: undefined, entryTimeout: 0 };
      return inProject.lookup(parent, name, context);
    },
    opendir: (node, context) => (isRoot(node) ? { handle: folder.open() } : inProject.opendir(node, context)),
    readdir: (node, handle, cookie, limit, context) =>
      isRoot(node) ? folder.list(cookie, limit) : inProject.readdir(node, handle, cookie, limit, context),
    releasedir: (node, handle) => (isRoot(node) ? undefined : inProject.releasedir(node, handle)),
    statfs: () => STATISTICS,
    // ls(1) requests other attributes of each folder that it lists: that must not open the projects.
    getxattr: (node, name, context) =>
      isRoot(node) || !name.startsWith(PROCORE_XATTR) ? undefined : inProject.getxattr(node, name, context),
    listxattr: () => [],

    mounted(kernel) {
      served.mounted(kernel);
      folder.mounted(kernel);
    },
    destroy() {
      folder.close();
      served.close();
    },
    async told() {
      await Promise.all([folder.told(), served.told()]);
    },
  };
}

/** The writing operations, in the project of each request. The company's own folder is read-only. */
function companyWriting(run: Hooks['run'], clock: Clock, log: Log): WritingOperations {
  const refusals = new OncePer(clock);
  const refusal = (what: string, { uid }: Context): Failure => {
    const failure = new Failure('company-fixed', { what });
    refusals.run('top', () => log.warn({ uid }, failure.line));
    return failure;
  };
  return {
    ...forwardWriting({
      check: (operation, args) => {
        if (operation.effect === 'changes' && operation.someNode(args, isRoot))
          throw refusal(operation.names(args)[0]?.name ?? 'its own folder', operation.context(args));
      },
      run,
    }),
    forbidden: (what, { uid }) =>
      refusals.run(what, () => log.info({ uid }, `a ${what} was refused: Procore's documents know none`)),
  };
}
