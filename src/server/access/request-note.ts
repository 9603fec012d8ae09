import type { FastifyRequest } from 'fastify';
import type { Account } from './account.js';

/** Data of a request for the audit log: the route sets it, the log reads it. */
export interface RequestNote {
  /** The signed-in user. */
  who?: Account;
  /** The user name that the request claims, or was signed in with. */
  name?: string;
  /** The chosen action of an operation that has several. */
  words?: readonly string[];
  /** Id of the created item. */
  id?: string;
  /** Code of the failure in the reply. */
  code?: string;
  isWritten?: boolean;
}

const notes = new WeakMap<FastifyRequest, RequestNote>();

export function requestNoteOf(request: FastifyRequest): RequestNote {
  const note = notes.get(request) ?? {};
  notes.set(request, note);
  return note;
}
