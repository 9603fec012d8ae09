import { constants } from 'node:os';
import { operations, refusals } from './operations.js';
import type { OperationHandler } from './session.js';
import { writingOperations } from './writing.js';

/** The handler of an opcode (`include/uapi/linux/fuse.h`). An operation without a handler is refused. */
export const handlerOf = (code: number, isWritable: boolean): OperationHandler =>
  operations[code] ?? (isWritable ? writingOperations[code] : undefined) ?? refuse;

const refuse: OperationHandler = (session, request) => {
  session.sendStatus(request, refusals[request.opcode] ?? constants.errno.ENOSYS);
  return true;
};
