import { pauseAfter } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { errnoOf, isFailure } from '../../base/errors.js';
import type { Body } from './body.js';
import { isDamaged } from './compression.js';
import { type CallRequest, type HttpReply, interceptor } from './exchange.js';
import { type Reachability, wasNotSent } from './reachability.js';

/** Total number of attempts, and the pauses between them, milliseconds. */
const ATTEMPTS = 4;
const RETRY = { first: 400, jitter: 0.5 };

/** Milliseconds after which an interactive call is not repeated. */
const RETRY_LIMIT_MS = 5000;

/** Errors of a connection that broke or stalled after the server may have read the request. */
const LOST = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
]);

/**
 * Repeats calls after transient failures: 408, 429, 5xx, resets, time-outs, bodies that are not JSON. A call that is
 * not idempotent is repeated only when the server cannot have processed it (429, or nothing was sent). The budget
 * handles the waits for 429 and 503.
 */
export const retry = (clock: Clock, reachability: Reachability) =>
  interceptor(async (request, send) => {
    const origin = String(request.origin);
    const began = clock.monotonic();
    for (let attempt = 1; ; attempt++) {
      reachability.check(origin);
      const last = attempt >= ATTEMPTS;
      try {
        const reply = await send(request);
        if (last || !mayRepeatReply(request, reply)) return reply;
        if (reply.status === 429 || reply.status === 503) continue;
      } catch (error) {
        const isLate = request.call.class === 'interactive' && clock.monotonic() - began >= RETRY_LIMIT_MS;
        if (last || isLate || !mayRepeatError(request, error)) {
          if (wasNotSent(error)) reachability.failed(origin, error);
          throw error;
        }
      }
      await clock.sleep(pauseAfter(attempt, RETRY), request.call.signal);
    }
  });

function mayRepeatReply(request: CallRequest, reply: HttpReply): boolean {
  if (reply.status === 429) return true;
  if (!request.call.idempotent) return false;
  if (reply.status === 408 || reply.status >= 500) return true;
  return request.method === 'GET' && reply.status < 300 && !looksLikeJson(reply.body);
}

function mayRepeatError(request: CallRequest, error: unknown): boolean {
  if (request.call.signal?.aborted || isFailure(error)) return false;
  if (wasNotSent(error)) return true;
  const code = errnoOf(error) ?? '';
  return request.call.idempotent && (LOST.has(code) || code.startsWith('HPE_') || isDamaged(error));
}

/**
 * A cheap check of both ends (so that a body of 60 MB need not be parsed twice): it is an array or object, and not
 * truncated. Whether compressed data is complete shows its checksum when it is decompressed.
 */
export function looksLikeJson(body: Body): boolean {
  if (body.encoding === 'gzip') return OPENING.has(body.head.find(isInk) ?? 0);
  const first = body.parts.find((part) => part.some(isInk))?.find(isInk);
  const last = body.parts.findLast((part) => part.some(isInk))?.findLast(isInk);
  return (first === 0x5b && last === 0x5d) || (first === 0x7b && last === 0x7d);
}

/** `[` and `{` */
const OPENING = new Set([0x5b, 0x7b]);

/** Not white space of JSON. */
const isInk = (byte: number): boolean => byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09;
