import { Failure } from '../../base/errors.js';
import { asFileNumber, asInode, type FileNumber, type Inode, type ProjectId } from '../../base/ids.js';
import type { Database, Statement } from '../../database/open.js';

/** Inodes per block of file numbers. */
const BLOCK_INODES = 2 ** 16;
/** File numbers stay below 2^36; above, node ids hold the sequence of the version. */
const MOST_BLOCKS = 2 ** 20;

/** What a block of a company's file numbers stands for: a run of inodes of a project. */
interface Block {
  readonly project: ProjectId;
  readonly part: number;
}

/**
 * One space of file numbers for all projects of a company. Each run of 65,536 inodes of a project has a block of
 * numbers, which is recorded when the first of them is needed and never reassigned. So a number identifies its project,
 * is stable over remounts, and fits into 32 bits while fewer than 65,536 blocks are used. Block 0 belongs to the
 * company itself.
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

  /** Loads the recorded blocks. */
  load(): void {
    this.#blocks.length = 1;
    this.#byProject.clear();
    for (const [block, project, part] of this.#select.all()) this.#keep(block, project as ProjectId, part);
  }

  /** The file number of an inode of a project; below 2^36. */
  number(project: ProjectId, inode: Inode): FileNumber {
    const part = Math.floor(inode / BLOCK_INODES);
    const block = this.#byProject.get(project)?.get(part) ?? this.#allocate(project, part);
    return asFileNumber(block * BLOCK_INODES + (inode % BLOCK_INODES));
  }

  /** The project of a file number; undefined for the company's own numbers, and for one that was never assigned. */
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
