import { Failure } from '../base/errors.js';
import type { NodeId } from '../base/ids.js';
import { type Awaitable, after, type Context, type Handle, type OpenFile, type ReadBytes } from '../fuse/filesystem.js';
import { type LocalItem, versionOf } from '../outbox/tree/tree.js';
import type { WorkingFile } from '../outbox/working/working-file.js';
import type { Announcements } from './announcements.js';
import type { FileHandle } from './file-handles.js';
import type { HiddenFolder } from './hidden/hidden-folder.js';
import { isHidden } from './hidden/places.js';
import { OpenedVersion } from './opened-version.js';
import type { ShownProject } from './shown-project.js';

/** How a working file is opened. */
export interface WorkingMode {
  readonly writing: boolean;
  readonly truncate: boolean;
  /** Writes may need disk space. */
  readonly grows: boolean;
}

const asReply = (bytes: Uint8Array): ReadBytes => ({ bytes });

/** The open files of a mount of a project: of its items, and of its hidden folder. */
export class OpenFiles {
  readonly #shown: ShownProject;
  readonly #announcements: Announcements;
  readonly #hidden: HiddenFolder;

  constructor(shown: ShownProject, announcements: Announcements, hidden: HiddenFolder) {
    this.#shown = shown;
    this.#announcements = announcements;
    this.#hidden = hidden;
  }

  /** Opens the version at the server. */
  openVersion(node: NodeId, item: LocalItem, { uid, pid }: Context): Awaitable<OpenFile> {
    const { project, handles, log } = this.#shown;
    const blob = new OpenedVersion(project, versionOf(item), pid);
    const handle = handles.add({ node, inode: item.inode, item, writing: false, uid, blob, file: undefined });
    return blob.file(handle, log);
  }

  async openWorking(node: NodeId, item: LocalItem, mode: WorkingMode, { uid }: Context): Promise<OpenFile> {
    const { project, handles } = this.#shown;
    const { writing, truncate, grows } = mode;
    const file = await project.outbox.open(item, writing, truncate, grows);
    handles.share(node, file);
    // With a working file, attributes time out after a second: the other mounts must start to ask for the size again.
    if (writing) this.#announcements.tellRewritten(item.inode);
    const handle = handles.add({ node, inode: item.inode, item, writing, uid, blob: undefined, file });
    return file.isComplete ? { handle, backingFd: file.fd } : { handle };
  }

  /** Adds a handle of a file that was just created. */
  created(item: LocalItem, file: WorkingFile, { uid }: Context): OpenFile {
    const { handles, nodes } = this.#shown;
    file.handles++;
    file.writers++;
    const { inode } = item;
    const handle = handles.add({ node: nodes.of(item), inode, item, writing: true, uid, blob: undefined, file });
    return { handle, backingFd: file.fd };
  }

  /** @throws Failure `internal` */
  get(handle: Handle): FileHandle {
    const open = this.#shown.handles.get(handle);
    if (!open) throw new Failure('internal', { why: `handle ${handle} is not open` });
    return open;
  }

  /** The working file of a handle, if it has one. */
  working(handle: Handle): WorkingFile | undefined {
    return this.#shown.handles.get(handle)?.file;
  }

  read(node: NodeId, handle: Handle, offset: number, size: number, context: Context): Awaitable<ReadBytes> {
    if (isHidden(node)) return this.#hidden.read(handle, offset, size, context);
    const { file, blob } = this.get(handle);
    if (file) return after(file.read(offset, size, context.signal), asReply);
    return blob ? blob.read(offset, size, context.signal) : asReply(new Uint8Array(0));
  }

  release(node: NodeId, handle: Handle): void {
    if (isHidden(node)) {
      this.#hidden.release(handle);
      return;
    }
    const open = this.#shown.handles.remove(handle);
    open?.blob?.finish();
    if (!open?.file) return;
    try {
      this.#shown.project.outbox.release(open.file, open.writing, open.uid);
    } finally {
      if (open.writing) this.#announcements.tellRewritten(open.inode);
    }
  }

  closeAll(): void {
    const { project, handles } = this.#shown;
    for (const open of [...handles.all()]) {
      open.blob?.close();
      if (open.file) project.outbox.release(open.file, open.writing, open.uid);
    }
    handles.clear();
    this.#hidden.close();
  }
}
