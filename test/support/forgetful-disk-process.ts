import type { NodeId } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import type { WritableFileSystem } from '#src/fuse/filesystem.js';
import { kernelDriver } from '#src/fuse/kernel/driver.js';
import { WritableMemoryFileSystem } from './fuse-memory-writable.js';
import { randomBy } from './random.js';

const SIZE = 96 * 2 ** 20;
const BLOCK = 4096;

/** Two disks as files: `before`, and `after` a power cut; a sync of the first is a flush of its cache. */
class Disks extends WritableMemoryFileSystem {
  readonly #cache = Buffer.alloc(SIZE);
  readonly #stored = Buffer.alloc(SIZE);
  readonly #unflushed = new Set<number>();
  readonly #before = this.file(this.root, 'before', this.#cache);
  readonly #after = this.file(this.root, 'after', Buffer.alloc(SIZE));

  override readonly writable: WritableFileSystem = {
    ...(this as WritableMemoryFileSystem).writable,
    write: (node, _handle, offset, data) => {
      const disk = this.get(node).version.content;
      disk.set(data, offset);
      if (node === this.#before.node)
        for (let block = Math.floor(offset / BLOCK); block * BLOCK < offset + data.length; block++)
          this.#unflushed.add(block);
      return data.length;
    },
    fsync: (node: NodeId) => {
      if (node !== this.#before.node) return;
      for (const block of this.#unflushed) this.#keep(block);
      this.#unflushed.clear();
    },
  };

  cut(survives: number, seed: number): void {
    const random = randomBy(seed);
    for (const block of this.#unflushed) if (random() < survives) this.#keep(block);
    this.#stored.copy(this.#after.version.content);
  }

  #keep(block: number): void {
    this.#cache.copy(this.#stored, block * BLOCK, block * BLOCK, (block + 1) * BLOCK);
  }
}

const disks = new Disks();
await kernelDriver.mount(disks, {
  mountpoint: process.argv[2]!,
  source: 'disks',
  allowOther: false,
  readOnly: false,
  uid: 0,
  gid: 0,
  generic: [],
  log: silentLog,
});
process.on('message', ({ survives, seed }: { survives: number; seed: number }) => {
  disks.cut(survives, seed);
  process.send!('cut');
});
process.send!('ready');
