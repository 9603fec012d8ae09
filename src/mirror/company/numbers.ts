import { Failure } from '../../base/errors.js';
import { asFileNumber, asInode, type FileNumber, type Inode, type ProjectId } from '../../base/ids.js';
import type { Database, Statement } from '../../database/open.js';

/** Inodes that lie together in the numbers of a company. */
const BLOCK_INODES = 2 ** 16;
/** File numbers stay below 2^36, where node ids have the sequence of the version. */
const MOST_BLOCKS = 2 ** 20;

/** A block of a company's file numbers, and the inodes of a project that it stands for. */
interface Block {
  readonly project: ProjectId;
  readonly part: number;
}

/**
 * One space of file numbers for the projects of a company. Each run of 65,536 inodes of a project has a block of
 * numbers, which is written down when the first of them is needed and never given to another: so a number says of which
 * project it is, stays over remounts, and fits into 32 bits as long as fewer than 65,536 blocks are used. Block 0 is the
 * company's own.
 */
export class CompanyNumbers {
  readonly #blocks: (Block | undefined)[] = [undefined];
  readonly #byProject = new Map<ProjectId, Map<number, number>>();
  readonly #select: Statement<[], [number, number, number]>;
  readonly #insert: Statement<[number, number, number]>;

  constructor(db: Database) {
    this.#insert = db.prepare('INSERT INTO blocks (block, project, part) VALUES (?, ?, ?)');
    this.#select = db.prepare<[], [number, number, number]>('SELECT block, project, part FROM blocks').raw();
    this.load();
  }

  /** Takes what is written down. */
  load(): void {
    this.#blocks.length = 1;
    this.#byProject.clear();
    for (const [block, project, part] of this.#select.all()) this.#keep(block, project as ProjectId, part);
  }

  /** The number of an inode of a project; below 2^36. */
  number(project: ProjectId, inode: Inode): FileNumber {
    const part = Math.floor(inode / BLOCK_INODES);
    const block = this.#byProject.get(project)?.get(part) ?? this.#allocate(project, part);
    return asFileNumber(block * BLOCK_INODES + (inode % BLOCK_INODES));
  }

  /** The project whose number this is; undefined for the company's own, and for one that was never given. */
  project(number: FileNumber): ProjectId | undefined {
    return this.#blocks[Math.floor(number / BLOCK_INODES)]?.project;
  }

  inode(number: FileNumber): Inode {
    const block = this.#blocks[Math.floor(number / BLOCK_INODES)];
    if (!block) throw new Failure('internal', { why: `the file number ${number} was never given` });
    return asInode(block.part * BLOCK_INODES + (number % BLOCK_INODES));
  }

  #allocate(project: ProjectId, part: number): number {
    const block = this.#blocks.length;
    if (block >= MOST_BLOCKS) throw new Failure('internal', { why: 'the file numbers of the company are used up' });
    this.#insert.run(block, project, part);
    this.#keep(block, project, part);
    return block;
  }

  #keep(block: number, project: ProjectId, part: number): void {
    this.#blocks[block] = { project, part };
    let parts = this.#byProject.get(project);
    if (!parts) this.#byProject.set(project, (parts = new Map()));
    parts.set(part, block);
  }
}
