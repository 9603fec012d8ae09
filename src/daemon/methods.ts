import { Failure } from '../base/errors.js';
import type { ControlMethods } from './control.js';
import type { MountRequest, Mounts } from './mounts.js';
import type { Project } from './project.js';
import { mountStatus } from './status.js';

/** What other processes may ask the daemon of a project. */
export function controlMethods(
  project: Project,
  mounts: Mounts,
  addMount: (request: MountRequest) => Promise<void>,
): ControlMethods {
  return {
    status: async ({ mountpoint }) => mountStatus(project, mounts.get(text(mountpoint)), text(mountpoint)),
    mount: async ({ request }) => addMount(request as MountRequest),
    unmount: async ({ mountpoint, force }) => mounts.unmount(text(mountpoint), force === true),
    refresh: async ({ mountpoint, path }, signal) => {
      const item = await project.find(mounts.projectPath(text(mountpoint), text(path)), 'interactive', signal);
      const folder = item.isFile ? project.mirror.view.parent(item) : item;
      if (!folder) throw new Failure('no-such-item', { path: text(path) });
      await project.mirror.refresh(folder, 'interactive', signal);
    },
  };
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new Failure('usage', { what: 'the request lacks a word' });
  return value;
}
