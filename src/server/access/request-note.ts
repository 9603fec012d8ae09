import type { FastifyRequest } from 'fastify';
import type { Account } from './account.js';

/** What a request turned out to be: told by those who find out, read by whoever writes it down. */
export interface RequestNote {
  /** Who asks, as somebody who is signed in. */
  who?: Account;
  /** Who it says to be, or was signed in as. */
  name?: string;
  /** Which of several things that the operation can do. */
  words?: readonly string[];
  /** Of what was made. */
  id?: string;
  /** Of the failure that was answered. */
  code?: string;
  isWritten?: boolean;
}

const notes = new WeakMap<FastifyRequest, RequestNote>();

export function requestNoteOf(request: FastifyRequest): RequestNote {
  const note = notes.get(request) ?? {};
  notes.set(request, note);
  return note;
}
