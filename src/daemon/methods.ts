import { Failure } from '../base/errors.js';
import type { Inode } from '../base/ids.js';
import type { Connections } from '../connections/store.js';
import type { RunOptions } from '../jobs/store/job-store.js';
import { isPlatform } from '../names/platforms.js';
import { NO_REMOTE } from '../outbox/intent.js';
import { discard, type UploadLine, uploadLines } from '../outbox/uploads-view.js';
import type { ControlMethods } from './control.js';
import { analyzeProject } from './jobs/analyze.js';
import { jobLines } from './jobs/job-lines.js';
import type { Jobs } from './jobs/open.js';
import type { MountRequest, Mounts } from './mounts.js';
import type { Project } from './project.js';
import { type MountStatus, mountState } from './status.js';

/** What other processes may ask the daemon of a project. */
export function controlMethods(
  project: Project,
  mounts: Mounts,
  addMount: (request: MountRequest) => Promise<void>,
  { store, engine }: Pick<Jobs, 'store' | 'engine'>,
  connections: Connections,
): ControlMethods {
  return {
    status: async ({ mountpoint }): Promise<MountStatus> => ({
      ...mountState(project, mounts.get(text(mountpoint)), text(mountpoint)),
      jobs: jobLines(store, connections, project.session),
    }),
    mount: async ({ request }) => addMount(request as MountRequest),
    /** Unmounts, then waits for the outbox: what is left is safe on disk, and the next mount goes on with it. */
    unmount: async ({ mountpoint, force, timeout }, signal) => {
      await mounts.unmount(text(mountpoint), force === true);
      return mounts.mountpoints.length > 0 ? [] : drain(project, timeout, signal);
    },
    drain: async ({ timeout }, signal) => {
      const left = await drain(project, timeout, signal);
      await mounts.told();
      return left;
    },
    uploads: async () => uploadLines(project.outbox, project.scheduler, project.progress),
    retry: async ({ ids }) => project.scheduler.retry(chosen(project, ids)),
    release: async ({ ids }) => project.scheduler.release(chosen(project, ids)),
    discard: async ({ ids }) => {
      const { paths, discarded } = discard(project.outbox, chosen(project, ids));
      project.outbox.events.emit('changed');
      project.mirror.store.events.emit(
        'changed',
        discarded.map(({ intent, left }) => {
          const here = { parent: intent.parent, name: intent.name };
          const there = intent.baseParent === 0 ? undefined : { parent: intent.baseParent, name: intent.baseName };
          return {
            inode: intent.inode,
            before: intent.deleted ? undefined : here,
            after: left ? here : there,
            replacedSequence: intent.sequence,
          };
        }),
      );
      await mounts.told();
      return paths;
    },
    /** For a process that looks after the jobs and finds that this one owns the project. Answers when the run ended. */
    'run-job': async ({ id, trigger, options }) =>
      engine.run(text(id), trigger === 'schedule' ? 'schedule' : 'manual', (options ?? {}) as RunOptions),
    analyze: async ({ folder, platform, most }, signal) =>
      analyzeProject(
        project,
        text(folder),
        {
          platform: typeof platform === 'string' && isPlatform(platform) ? platform : undefined,
          most: typeof most === 'number' ? most : 0,
        },
        signal,
      ),
    refresh: async ({ mountpoint, path }, signal) => {
      const item = await project.find(mounts.projectPath(text(mountpoint), text(path)), 'interactive', signal);
      const folder = item.isFile ? project.outbox.tree.parent(item) : item;
      if (!folder) throw new Failure('no-such-item', { path: text(path) });
      // What is not at the server yet has nothing there.
      if (folder.remoteId !== NO_REMOTE) await project.mirror.refresh(folder, 'interactive', signal);
      await mounts.told();
    },
  };
}

/** Resolves with what is left when everything went up, nothing can go, or the time (seconds) is over. */
async function drain(project: Project, timeout: unknown, signal: AbortSignal): Promise<UploadLine[]> {
  // A timer of its own: a signal that only another signal refers to may be collected before its time (Node 20).
  const limit = new AbortController();
  const end = (): void => limit.abort(new Failure('interrupted'));
  const timer = typeof timeout === 'number' ? setTimeout(end, timeout * 1000) : undefined;
  signal.addEventListener('abort', end, { once: true });
  try {
    await project.scheduler.drain(limit.signal);
  } catch (error) {
    if (!limit.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
  return uploadLines(project.outbox, project.scheduler, project.progress).filter((line) => line.state !== 'local');
}

/** The named intents, or all. */
function chosen(project: Project, ids: unknown): Inode[] {
  const all = [...project.outbox.intents.all()].map((intent) => intent.inode);
  if (!Array.isArray(ids) || ids.length === 0) return all;
  return ids.map((id) => {
    const found = all.find((inode) => String(inode) === String(id));
    if (found === undefined) throw new Failure('no-such-upload', { id: String(id) });
    return found;
  });
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new Failure('usage', { what: 'the request lacks a word' });
  return value;
}
