import { createCipheriv, createHash } from 'node:crypto';
import type { Test } from 'tap';
import { background, type Writing } from './writing.js';

const BLOCK = 64 * 1024;
const zeros = Buffer.alloc(BLOCK);

/** Bytes that look random, that no disk holds, and that are the same each time they are asked for. */
export async function* madeUp(start: number, end: number): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; ) {
    const block = Math.floor(at / BLOCK);
    const iv = Buffer.alloc(16);
    iv.writeUInt32BE(block);
    const bytes = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), iv).update(zeros);
    const from = at - block * BLOCK;
    const to = Math.min(BLOCK, end - block * BLOCK);
    yield bytes.subarray(from, to);
    at += to - from;
  }
}

export async function sha256Of(content: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of content) hash.update(chunk);
  return hash.digest('hex');
}

export interface LargeUpload {
  /** Bytes that this process grew by at most, its simulator not counted. */
  readonly growth: number;
  readonly seconds: number;
}

/** Uploads `size` bytes in segments and makes a file of them; what the server then has is compared. */
export async function uploadLarge(t: Test, writing: Writing, size: number): Promise<LargeUpload> {
  const { server, writes, project, root } = writing;
  const uploads = writing.uploads({
    segmentAbove: 16 * 2 ** 20,
    segmentSize: size > 2 ** 30 ? 32 * 2 ** 20 : 8 * 2 ** 20,
  });
  const name = `large ${size}.bin`;
  const before = process.memoryUsage().rss;
  const started = performance.now();
  let most = before;
  let progress = 0;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 20);
  try {
    const request = {
      name,
      size,
      source: madeUp,
      progress: (bytes: number) => {
        progress = bytes;
      },
    };
    const { uuid } = await uploads.upload(project, request, background);
    const { item } = await writes.createFile(project, { parentId: root, name, uploadUuid: uuid }, background);
    t.equal(item.version?.size, size);
    t.equal(progress, size);
  } finally {
    clearInterval(watch);
  }
  const result = { growth: most - before, seconds: (performance.now() - started) / 1000 };
  const found = (await server.admin.tree()).find((entry) => entry.path === name);
  t.equal(found?.sha256, await sha256Of(madeUp(0, size)));
  return result;
}
