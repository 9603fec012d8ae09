import { Failure } from '../base/errors.js';
import type { Inode } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { DriverName } from '../fuse/driver.js';
import type { FileSystem } from '../fuse/operations.js';
import type { Item } from '../mirror/database/view.js';
import type { Session } from '../procore/session.js';
import type { CompanyHome } from '../project/company-home.js';
import type { Project } from '../project/project.js';
import type { Lease } from '../project/projects.js';
import type { Ownership } from '../vfs/attributes.js';
import { companyFileSystem } from '../vfs/company/company-filesystem.js';
import type { OpenProject } from '../vfs/company/served-projects.js';
import type { SharedMount } from '../vfs/options.js';
import { ProjectFileSystem } from '../vfs/project-filesystem.js';
import type { CopyOutRequest } from './jobs/copy-out.js';

/** A project as a mount shows it. */
export interface MountedProject {
  readonly project: Project;
  /** Prefix of the paths of its items: empty, or the name of its folder and a slash. */
  readonly prefix: string;
  /** The number by which users refer to an item; unique on the mount. */
  number(inode: Inode): number;
}

/** The content of a mount: one project or a folder of it, or a company. */
export interface MountedView {
  readonly fileSystem: FileSystem & { told(): Promise<void> };
  readonly session: Session;
  /** The project, if the mount shows a single one. */
  readonly project: Project | undefined;
  /** The number of projects, open or not. */
  readonly projects: number;
  /** For a company: the folders of its projects, open or not. */
  readonly folders: readonly { readonly id: number; readonly name: string }[];
  /** The projects that are open. */
  readonly parts: readonly MountedProject[];
  /**
   * Runs `work` with the project that contains a path of the mount. `undefined`: the path is the company itself.
   * @throws Failure `no-such-item`, or as opening a project does
   */
  at<T>(
    path: string,
    work: (project: Project | undefined, path: string) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>;
  /** Lists the projects again. */
  refresh(signal: AbortSignal): Promise<void>;
  /** Called when the mount has ended. */
  release(): Promise<void>;
}

/** The view of a project, or of a folder of it. */
export async function showProject(
  lease: Lease,
  request: MountRequest,
  log: Log,
  signal: AbortSignal | undefined,
): Promise<MountedView> {
  const { project } = lease;
  if (request.ignoreCase) await project.ignoreCase();
  const root = await project.folderInode(request.folder, signal);
  return {
    fileSystem: fileSystemOf(project, request, log, { root }),
    session: project.session.session,
    project,
    projects: 1,
    folders: [],
    parts: [partOf(project)],
    at: (path, work) => work(project, [request.folder, path].filter((part) => part !== '').join('/')),
    refresh: async () => undefined,
    release: () => lease.release(),
  };
}

/** The view of a company: every project, each in a folder of its own. */
export function showCompany(home: CompanyHome, request: MountRequest, log: Log): MountedView {
  const { company } = home;
  const open: OpenProject = async (listed, shared, signal) => {
    const lease = await home.acquire(listed, signal);
    if (request.ignoreCase) await lease.project.ignoreCase();
    return {
      fileSystem: fileSystemOf(lease.project, request, log, { shared }),
      release: () => void lease.release(),
    };
  };
  const { owner, readOnly, idle } = request;
  const fileSystem = companyFileSystem(company, open, { owner, readOnly, idle, log });
  return {
    fileSystem,
    session: home.session,
    project: undefined,
    get projects() {
      return company.store.all.length;
    },
    get folders() {
      company.look();
      return company.store.all;
    },
    get parts() {
      return companyParts(home);
    },
    async at(path, work, signal) {
      const [name = '', ...rest] = path.split('/').filter((part) => part !== '');
      if (name === '') return work(undefined, '');
      const listed = company.store.named(name);
      if (!listed) throw new Failure('no-such-item', { path: `/${path}` });
      const lease = await home.acquire(listed, signal);
      try {
        return await work(lease.project, rest.join('/'));
      } finally {
        await lease.release();
      }
    },
    refresh: (signal) => company.refresh('interactive', signal),
    release: async () => undefined,
  };
}

/** The open projects of a company, as its mounts show them. */
export const companyParts = ({ company, open }: CompanyHome): MountedProject[] =>
  open.map(({ project, listed }) => ({
    project,
    prefix: `${listed.name}/`,
    number: (inode) => company.store.numbers.number(listed.id, inode),
  }));

export const partOf = (project: Project): MountedProject => ({ project, prefix: '', number: (inode) => inode });

function fileSystemOf(
  project: Project,
  request: MountRequest,
  log: Log,
  place: { readonly root?: Inode; readonly shared?: SharedMount },
): ProjectFileSystem {
  const { session, mirror, outbox, checkouts, pins, pinKeeper, readers, versions, scheduler } = project;
  const webUrl = (item: Item): string => session.webUrl(item);
  const parts = { mirror, outbox, checkouts, pins, readers, versions, webUrl };
  const showing = { owner: request.owner, log, ...place };
  if (request.readOnly) return new ProjectFileSystem(parts, showing);
  return new ProjectFileSystem(parts, showing, {
    checkout: request.checkout,
    strictOwner: request.strictOwner,
    pinKeeper,
    ...(request.syncRemote ? { publish: (inode, signal) => scheduler.publish(inode, signal) } : {}),
  });
}

export interface MountRequest {
  readonly mountpoint: string;
  /** As `findmnt` shows it. */
  readonly source: string;
  /** Mount every project of the connection's company. */
  readonly company: boolean;
  /** Path of the folder within the project. */
  readonly folder: string;
  readonly driver: DriverName;
  readonly allowOther: boolean;
  readonly readOnly: boolean;
  /** fsync(2) also waits until the change is at the server. */
  readonly syncRemote: boolean;
  /** Check files out while they are open for writing. */
  readonly checkout: boolean;
  /** Refuse a change of owner or group. Otherwise it is accepted and ignored. */
  readonly strictOwner: boolean;
  /** Find names of the project, or projects, in any case. Permanent, and valid for all their mounts. */
  readonly ignoreCase: boolean;
  readonly owner: Ownership;
  /** For a company: seconds for which a project stays open after its last use. */
  readonly idle: number;
  readonly generic: readonly string[];
  readonly copyOut?: CopyOutRequest;
}
