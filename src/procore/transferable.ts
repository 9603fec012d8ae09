/** The bytes in a buffer of their own, which can be given to another thread. */
export const transferable = (bytes: Buffer): ArrayBuffer =>
  bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
