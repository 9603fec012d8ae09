import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { plainAddress } from '../../base/addresses.js';
import type { Log } from '../../base/log.js';
import { oneLine } from '../../base/text.js';
import { clientAddress } from '../access/address.js';
import type { AuditLog } from '../access/audit.js';
import type { AccessGuard } from '../access/guard.js';
import { requestNoteOf } from '../access/request-note.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The audit log records the request, whatever its result. */
    isWrittenDown?: boolean;
  }
}

export interface AuditedParts {
  readonly guard: AccessGuard;
  readonly audit: AuditLog;
  readonly log: Log;
  /** Requests come over a unix socket. */
  readonly isSocket: boolean;
}

/** Records every request that changes something in the audit log, before the client gets the reply. */
export function writeDown(app: FastifyInstance, { guard, audit, log, isSocket }: AuditedParts): void {
  app.addHook('onSend', async (request, reply, payload) => {
    const { url, config } = request.routeOptions;
    const note = requestNoteOf(request);
    if (url === undefined || config.isWrittenDown !== true || note.isWritten) return payload;
    note.isWritten = true;
    try {
      const account = note.who ?? guard.account(request);
      const address = isSocket ? 'socket' : plainAddress(oneLine(request.ip, 100));
      const entry = {
        who: account?.name ?? note.name ?? '-',
        from: address,
        what: whatOf(request),
        result: resultOf(request, reply),
      };
      const isStranger = account === undefined && reply.statusCode >= 400;
      if (!isStranger) audit.add(entry);
      else if (!audit.addStranger(entry, clientAddress(address)))
        log.warn({ address }, 'a request was refused that the audit log has no room for');
    } catch (error) {
      log.error({ error }, 'the audit log could not be written');
    }
    return payload;
  });
}

/** `PATCH /v1/jobs/17 (start)`: the operation with its item, and the keys of its parameters. */
function whatOf(request: FastifyRequest): string {
  const { words = [], id } = requestNoteOf(request);
  const params = (request.params ?? {}) as Readonly<Record<string, string>>;
  const path = request.routeOptions.url!.replace(/:(\w+)/g, (_, name: string) => oneLine(params[name] ?? '', 200));
  const made = id === undefined || path.endsWith(`/${id}`) ? '' : ` ${oneLine(id, 200)}`;
  return `${request.method} ${path}${made}${words.length > 0 ? ` (${words.join(', ')})` : ''}`;
}

function resultOf(request: FastifyRequest, reply: FastifyReply): string {
  const { code } = requestNoteOf(request);
  return code === undefined ? String(reply.statusCode) : `${reply.statusCode} ${code}`;
}
