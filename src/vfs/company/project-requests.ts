import { LRUCache } from 'lru-cache';
import { Failure } from '../../base/errors.js';
import { asNodeId, type NodeId, ROOT_NODE } from '../../base/ids.js';
import { after, type OpenFile } from '../../fuse/filesystem.js';
import type { Arguments, Operation } from '../../fuse/forwarding.js';
import type { CompanyProject, CompanyStore } from '../../mirror/company/store.js';
import { numberOf } from '../nodes.js';
import type { ProjectFileSystem } from '../project-filesystem.js';
import type { CompanyFolder } from './company-folder.js';
import type { ServedProjects } from './served-projects.js';

/** The most nodes per project whose cached pages are known to be current. */
const KNOWN_NODES = 10_000;

/** Runs the requests to a company's mount in the project that they are about, which the node number alone tells. */
export class ProjectRequests {
  readonly #store: CompanyStore;
  readonly #served: ServedProjects;
  readonly #folder: CompanyFolder;
  /** Nodes opened since their project was opened. */
  readonly #openedSince = new WeakMap<ProjectFileSystem, LRUCache<NodeId, true>>();

  constructor(store: CompanyStore, served: ServedProjects, folder: CompanyFolder) {
    this.#store = store;
    this.#served = served;
    this.#folder = folder;
  }

  run(operation: Operation, args: Arguments): unknown {
    const node = operation.node(args);
    if (node === ROOT_NODE && operation.effect === 'syncs') return undefined;
    const isLook = operation.effect === 'reads' && operation.result === 'attributes';
    if (node === ROOT_NODE && isLook) return this.#folder.entry;
    const project = this.#projectOf(node);
    if (isLook && asNodeId(project.number) === node) return this.#folder.entryOf(project);
    if (operation.effect === 'closes')
      return this.#served.released(project.id, (fileSystem) => operation.of(fileSystem, args));
    const other = operation.otherNode(args);
    if (other !== undefined) this.#requireIn(project, other);
    return this.#served.use(project, operation.context(args), (fileSystem) => {
      const result = operation.of(fileSystem, args);
      return operation.opens
        ? after(result, (opened) => this.#opened(project, fileSystem, operation, node, opened))
        : result;
    });
  }

  /** Whether the node is the folder of a project that is not open. */
  isClosedFolder(node: NodeId): boolean {
    const project = this.#projectOf(node);
    return asNodeId(project.number) === node && !this.#served.get(project.id);
  }

  /** @throws Failure `version-gone` (ESTALE, on which the kernel looks the path up again) */
  #projectOf(node: NodeId): CompanyProject {
    const id = this.#store.numbers.project(numberOf(node));
    const project = id === undefined ? undefined : this.#store.get(id);
    if (!project) throw new Failure('version-gone', { path: `node ${node}` });
    return project;
  }

  /** @throws Failure `other-project` (EXDEV: mv(1) copies and deletes) */
  #requireIn(project: CompanyProject, node: NodeId): void {
    const other = this.#projectOf(node);
    if (other.id !== project.id) throw new Failure('other-project', { from: project.name, to: other.name });
  }

  /** The project stays in use until what was opened is released. */
  #opened(
    project: CompanyProject,
    fileSystem: ProjectFileSystem,
    operation: Operation,
    node: NodeId,
    opened: unknown,
  ): unknown {
    this.#served.opened(project.id);
    return operation.result === 'file' ? this.#asNow(fileSystem, node, opened as OpenFile) : opened;
  }

  /**
   * Drops cached pages at the first open of a node since its project was opened: while the project was closed, the
   * kernel was not notified of what other mounts wrote.
   */
  #asNow(project: ProjectFileSystem, node: NodeId, file: OpenFile): OpenFile {
    const known = this.#openedSince.get(project) ?? new LRUCache<NodeId, true>({ max: KNOWN_NODES });
    this.#openedSince.set(project, known);
    if (known.get(node)) return file;
    known.set(node, true);
    return { ...file, keepCache: false };
  }
}
