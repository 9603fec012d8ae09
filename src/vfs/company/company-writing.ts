import type { Clock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import { type NodeId, ROOT_NODE } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import { OncePer } from '../../base/once-per.js';
import {
  type Awaitable,
  after,
  type Context,
  type ForbiddenItem,
  type WritableFileSystem,
} from '../../fuse/filesystem.js';
import type { CompanyProject } from '../../mirror/company/store.js';
import type { ServedProjects } from './served-projects.js';

export interface CompanyWritingOptions {
  readonly projectOf: (node: NodeId) => CompanyProject;
  readonly served: ServedProjects;
  readonly clock: Clock;
  readonly log: Log;
}

/** The writing operations of a company mount: passed on to the project; the company folder itself is read-only. */
export function companyWriting({ projectOf, served, clock, log }: CompanyWritingOptions): WritableFileSystem {
  const refusals = new OncePer(clock);

  const refuse = (what: string, context: Context): Failure => {
    const failure = new Failure('company-fixed', { what });
    refusals.run('top', () => log.warn({ uid: context.uid }, failure.line));
    return failure;
  };

  const project = (node: NodeId, what: string, context: Context): CompanyProject => {
    if (node === ROOT_NODE) throw refuse(what, context);
    return projectOf(node);
  };

  const inside = <T>(
    node: NodeId,
    what: string,
    context: Context,
    work: (writable: WritableFileSystem) => Awaitable<T>,
  ): Awaitable<T> =>
    served.use(
      project(node, what, context),
      () => context.signal,
      ({ writable }) => work(writable!),
    );

  /** Requires both nodes to be in one project. @throws Failure `other-project` (EXDEV: mv(1) copies and deletes) */
  const both = (from: NodeId, to: NodeId, what: string, context: Context): NodeId => {
    const [source, target] = [project(from, what, context), project(to, what, context)];
    if (source.id !== target.id) throw new Failure('other-project', { from: source.name, to: target.name });
    return from;
  };

  return {
    setattr: (node, changes, handle, context) =>
      inside(node, 'its own folder', context, (writable) => writable.setattr(node, changes, handle, context)),

    create: (parent, name, mode, flags, context) => {
      const { id } = project(parent, name, context);
      return inside(parent, name, context, (writable) =>
        after(writable.create(parent, name, mode, flags, context), (created) => {
          served.opened(id);
          return created;
        }),
      );
    },

    write: (node, handle, offset, data, context) =>
      inside(node, '', context, (writable) => writable.write(node, handle, offset, data, context)),

    flush: (node, handle, context) => inside(node, '', context, (writable) => writable.flush(node, handle, context)),

    fsync: (node, handle, dataOnly, context) =>
      inside(node, '', context, (writable) => writable.fsync(node, handle, dataOnly, context)),

    fsyncdir: (node, dataOnly, context) =>
      node === ROOT_NODE
        ? undefined
        : inside(node, '', context, (writable) => writable.fsyncdir(node, dataOnly, context)),

    mkdir: (parent, name, mode, context) =>
      inside(parent, name, context, (writable) => writable.mkdir(parent, name, mode, context)),

    unlink: (parent, name, context) =>
      inside(parent, name, context, (writable) => writable.unlink(parent, name, context)),

    rmdir: (parent, name, context) =>
      inside(parent, name, context, (writable) => writable.rmdir(parent, name, context)),

    rename: (parent, name, newParent, newName, replace, context) =>
      inside(both(parent, newParent, name, context), name, context, (writable) =>
        writable.rename(parent, name, newParent, newName, replace, context),
      ),

    fallocate: (node, handle, offset, length, mode, context) =>
      inside(node, '', context, (writable) => writable.fallocate(node, handle, offset, length, mode, context)),

    copyFileRange: (from, to, length, context) =>
      inside(both(from.node, to.node, '', context), '', context, (writable) =>
        writable.copyFileRange(from, to, length, context),
      ),

    setxattr: (node, name, value, condition, context) =>
      inside(node, 'its own folder', context, (writable) => writable.setxattr(node, name, value, condition, context)),

    removexattr: (node, name, context) =>
      inside(node, 'its own folder', context, (writable) => writable.removexattr(node, name, context)),

    forbidden: (what: ForbiddenItem, context) =>
      refusals.run(what, () => log.info({ uid: context.uid }, `a ${what} was refused: Procore's documents know none`)),
  };
}
