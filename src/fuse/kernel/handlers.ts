import { constants } from 'node:os';
import { writingTable } from '../operations.js';
import { opcode } from './protocol.js';
import { reading } from './reading.js';
import type { OperationHandler } from './session.js';
import { type WritingMessage, writing } from './writing.js';

const { EINVAL, ENOSYS, ENOTTY, EROFS } = constants.errno;

/** The handler of an opcode. A request without a handler is refused. */
export const handlerOf = (code: number, isWritable: boolean): OperationHandler =>
  (isWritable ? onWritable[code] : onReadOnly[code]) ?? unknown;

function refuse(errno: number): OperationHandler {
  return (session, request) => {
    session.sendStatus(request, errno);
    return true;
  };
}

/**
 * The kernel takes ENOSYS as success for FLUSH, FSYNC and FSYNCDIR, decides LSEEK and ACCESS itself, and does not ask
 * again.
 */
const refusal = ({ operation }: WritingMessage): OperationHandler =>
  refuse(writingTable[operation].effect === 'syncs' ? ENOSYS : EROFS);

const served = ({ handler }: WritingMessage): OperationHandler => {
  return (session, request, incoming) => handler(session, request, incoming, session.writable!);
};

/** By opcode. */
function handlers(serve: (message: WritingMessage) => OperationHandler): readonly (OperationHandler | undefined)[] {
  const byCode: (OperationHandler | undefined)[] = new Array(64).fill(undefined);
  byCode[opcode.READLINK] = refuse(EINVAL);
  byCode[opcode.IOCTL] = refuse(ENOTTY);
  byCode[opcode.TMPFILE] = refuse(EROFS);
  for (const message of Object.values(reading)) byCode[message.opcode] = message.handler;
  for (const message of Object.values<WritingMessage>(writing)) byCode[message.opcode] = serve(message);
  return byCode;
}

const unknown = refuse(ENOSYS);
const onWritable = handlers(served);
const onReadOnly = handlers(refusal);
