import { Failure } from '../base/errors.js';
import { asInode } from '../base/ids.js';
import type { RunOptions } from '../jobs/store/job-store.js';
import { isPlatform } from '../names/platforms.js';
import type { LocalItem } from '../outbox/tree/tree.js';
import { type UploadLine, uploadLines, waits } from '../outbox/uploads-view.js';
import { type BrowsedFolder, browseFolder, browseVersions, isPrivate } from '../project/browse.js';
import { type Compared, compareWithServer } from '../project/compare.js';
import { giveUp } from '../project/discard.js';
import type { Project } from '../project/project.js';
import { refreshPath } from '../project/refresh.js';
import { type Restored, restorePath } from '../project/restore.js';
import type { Privacy } from '../vfs/privacy.js';
import type { ControlMethods } from './control.js';
import type { Daemon } from './daemon.js';
import { drainProjects } from './draining.js';
import { analyzeProject } from './jobs/analyze.js';
import { jobLines } from './jobs/job-lines.js';
import type { MountedProject, MountedView, MountRequest } from './mounted-view.js';
import type { Mounts } from './mounts.js';
import { concealsPrivate, remoteFolder, strictest } from './remote-folder.js';
import { type MountStatus, mountState } from './status.js';

/**
 * The methods that other processes call on the daemon's control socket, for a named mount or for all that it serves.
 * @param project the project whose socket was called, if it was a project's
 */
export function controlMethods(daemon: Daemon, project: Project | undefined): ControlMethods {
  const { mounts, jobs } = daemon;
  const partsOf = (mountpoint: unknown): readonly MountedProject[] =>
    mountpoint === undefined ? daemon.parts : mounts.get(text(mountpoint)).shown.parts;
  return {
    status: async ({ mountpoint }): Promise<MountStatus> => {
      const live = mounts.get(text(mountpoint));
      return { ...mountState(live), jobs: jobLines(jobs.store, daemon.connections, live.shown) };
    },
    mount: async ({ request }, signal) => daemon.addMount(request as MountRequest, signal),
    /** Unmounts, then waits for the outboxes. What is left stays on disk, and the next mount continues with it. */
    unmount: async ({ mountpoint, force, timeout }, signal, tell) => {
      const { parts } = mounts.get(text(mountpoint)).shown;
      const leases = parts.map((part) => daemon.projects.hold(part.project));
      try {
        return await daemon.whileAsked(
          parts.map(({ project }) => project),
          async (hurry) => {
            await mounts.unmount(text(mountpoint), force === true);
            const others = new Set(mounts.parts.map((part) => part.project));
            const left = parts.filter((part) => !others.has(part.project));
            await drainProjects(left, { timeout: seconds(timeout), signal, hurry, tell });
            return waitingIn(left);
          },
        );
      } finally {
        for (const lease of leases) void lease.release();
      }
    },
    drain: async ({ mountpoint, timeout }, signal, tell) => {
      const parts = partsOf(mountpoint);
      await drainProjects(parts, { timeout: seconds(timeout), signal, tell });
      await mounts.told();
      return waitingIn(parts);
    },
    /** A caller with read access only does not get private items, nor what is below them. */
    uploads: async ({ mountpoint, isReader }) => {
      const parts = partsOf(mountpoint);
      if (isReader !== true) return linesOf(parts);
      return linesOf(parts, conceals(mounts.get(text(mountpoint)).request, true));
    },
    retry: async ({ mountpoint, ids }) => {
      for (const { project, inodes } of chosen(partsOf(mountpoint), ids)) project.scheduler.retry(inodes);
    },
    release: async ({ mountpoint, ids }) => {
      for (const { project, inodes } of chosen(partsOf(mountpoint), ids)) project.scheduler.release(inodes);
    },
    discard: async ({ mountpoint, ids }) => {
      const paths = chosen(partsOf(mountpoint), ids).flatMap(({ project, inodes }) => giveUp(project, inodes));
      await mounts.told();
      return paths;
    },
    /** For a process that runs jobs and finds that this daemon owns the project. Answers when the run has ended. */
    'run-job': async ({ id, trigger, options }) =>
      jobs.engine.run(text(id), trigger === 'schedule' ? 'schedule' : 'manual', (options ?? {}) as RunOptions),
    analyze: async ({ folder, platform, most }, signal) => {
      if (!project) throw new Failure('usage', { what: 'name a project' });
      const words = {
        platform: typeof platform === 'string' && isPlatform(platform) ? platform : undefined,
        most: typeof most === 'number' ? most : 0,
        signal,
      };
      const lease = daemon.projects.hold(project);
      try {
        return await analyzeProject(project, text(folder), words);
      } finally {
        await lease.release();
      }
    },
    /** A folder of the project, for the HTTP API. Conceals what the mounts that show the project conceal. */
    folder: async ({ folder, path, offset, limit, q, isReader, privacy }) => {
      if (!project) throw new Failure('usage', { what: 'name a project' });
      const shown = mounts.all
        .filter(({ shown }) => shown.parts.some((part) => part.project === project))
        .map(({ request }) => request.owner.privacy ?? 'owner');
      const wanted = {
        folder: typeof folder === 'number' ? folder : undefined,
        path: (path as readonly unknown[]).map(text),
        offset: Number(offset),
        limit: Number(limit),
        q: typeof q === 'string' ? q : undefined,
      };
      return remoteFolder(project, wanted, concealsPrivate(strictest(shown, privacy as Privacy), isReader === true));
    },
    browse: async ({ mountpoint, path, offset, limit, q, isReader }, signal): Promise<BrowsedFolder> => {
      const { shown, request } = mounts.get(text(mountpoint));
      const page = {
        conceals: conceals(request, isReader === true),
        offset: Number(offset),
        limit: Number(limit),
        q: typeof q === 'string' ? q : undefined,
      };
      return shown.at(
        text(path),
        (project, within) =>
          project ? browseFolder(project, within, page, signal) : Promise.resolve(projectFolders(shown.folders, page)),
        signal,
      );
    },
    versions: ({ mountpoint, path, isReader }, signal) => {
      const { shown, request } = mounts.get(text(mountpoint));
      const hides = conceals(request, isReader === true);
      return shown.at(
        text(path),
        async (project, within) => (project ? browseVersions(project, within, hides, signal) : []),
        signal,
      );
    },
    pin: ({ mountpoint, path }, signal) =>
      withItem(mounts, mountpoint, path, signal, (project, item) => project.pinKeeper.pin(item, signal)),
    unpin: ({ mountpoint, path }, signal) =>
      withItem(mounts, mountpoint, path, signal, (project, item) => project.pinKeeper.unpin(item, signal)),
    restore: async ({ mountpoint, path }, signal): Promise<Restored> => {
      const { shown, request } = mounts.get(text(mountpoint));
      if (request.readOnly) throw new Failure('read-only');
      const restored = await shown.at(
        text(path),
        async (project, within) => {
          if (!project) throw new Failure('usage', { what: 'name what is to be restored' });
          const { path, ...more } = await restorePath(project, within, signal);
          const prefix = shown.parts.find((part) => part.project === project)?.prefix ?? '';
          return { path: `${prefix}${path}`, ...more };
        },
        signal,
      );
      await mounts.told();
      return restored;
    },
    fsck: async ({ mountpoint }, signal): Promise<Compared[]> => {
      const found = await Promise.all(partsOf(mountpoint).map((part) => compareWithServer(part.project, signal)));
      await mounts.told();
      return found;
    },
    refresh: async ({ mountpoint, path }, signal) => {
      const { shown } = mounts.get(text(mountpoint));
      await shown.at(
        text(path),
        (project, within) => (project ? refreshPath(project, within, signal) : shown.refresh(signal)),
        signal,
      );
      await mounts.told();
    },
  };
}

/** The projects of a company, as folders by name. */
function projectFolders(
  folders: MountedView['folders'],
  { offset, limit, q }: { readonly offset: number; readonly limit: number; readonly q: string | undefined },
): BrowsedFolder {
  const wanted = q?.toLowerCase();
  const found = folders
    .filter(({ name }) => wanted === undefined || name.toLowerCase().includes(wanted))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const rows = found.slice(offset, offset + limit).map(({ id, name }) => ({
    id,
    name,
    path: `/${name}`,
    type: 'folder' as const,
    bytes: 0,
    version: undefined,
    modified_on: 0,
    state: 'synced',
    reason: undefined,
    pinned: false,
    private: false,
    checkout_by: undefined,
    created_by: undefined,
    web_url: undefined,
  }));
  return { total: found.length, cut: false, rows };
}

/** @throws Failure `usage` where the path is the root of a company mount */
function withItem<T>(
  mounts: Mounts,
  mountpoint: unknown,
  path: unknown,
  signal: AbortSignal,
  work: (project: Project, item: LocalItem) => Promise<T>,
): Promise<T> {
  const { shown } = mounts.get(text(mountpoint));
  return shown.at(
    text(path),
    async (project, within) => {
      if (!project) throw new Failure('usage', { what: 'a whole company cannot be pinned: name a project of it' });
      return work(project, await project.find(within, 'interactive', signal));
    },
    signal,
  );
}

const seconds = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

/** Whether a mount conceals private items from the caller. */
const conceals = ({ owner }: MountRequest, isReader: boolean): boolean =>
  concealsPrivate(owner.privacy ?? 'owner', isReader);

const waitingIn = (parts: readonly MountedProject[]): UploadLine[] => linesOf(parts).filter(waits);

function linesOf(parts: readonly MountedProject[], hides = false): UploadLine[] {
  return parts.flatMap(({ project, prefix, number }) =>
    uploadLines(project.outbox, project.scheduler, project.progress)
      .filter(({ id }) => !(hides && isPrivate(project, asInode(id))))
      .map((line) => ({ ...line, id: number(asInode(line.id)), path: `${prefix}${line.path}` })),
  );
}

/** The changes with these ids, or all of them, grouped by project. @throws Failure `no-such-upload` */
function chosen(parts: readonly MountedProject[], ids: unknown) {
  const all = parts.flatMap(({ project, number }) =>
    [...project.outbox.intents.all()].map(({ inode }) => ({ project, inode, id: String(number(inode)) })),
  );
  const wanted =
    !Array.isArray(ids) || ids.length === 0
      ? all
      : ids.map((id) => {
          const [found, other] = all.filter((one) => one.id === String(id));
          if (!found) throw new Failure('no-such-upload', { id: String(id) });
          if (other) throw new Failure('usage', { what: `several projects have a change ${id}: name the mount point` });
          return found;
        });
  return parts.map(({ project }) => ({
    project,
    inodes: wanted.filter((one) => one.project === project).map(({ inode }) => inode),
  }));
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new Failure('usage', { what: 'the request lacks a word' });
  return value;
}
