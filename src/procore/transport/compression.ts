import { errnoOf } from '../../base/errors.js';
import { Body } from './body.js';
import { interceptor } from './exchange.js';

/** A header of our own, in replies that were decompressed: the `content-encoding` with which they came. */
export const CAME_AS = 'procorefs-content-encoding';

/** Bytes of a compressed reply up to which it is decompressed as it arrives. */
const SMALL_REPLY_BYTES = 16 * 1024;

/**
 * Asks for compressed replies (RFC 9110, 8.4.1.3 and 12.5.3): rows of JSON shrink to a tenth. Small ones are given on as
 * they were meant; a large one stays as it came until somebody reads it, in whatever thread that is.
 */
export const compression = () =>
  interceptor(async (request, send) => {
    const headers = { ...(request.headers as Record<string, string>), 'accept-encoding': 'gzip' };
    const reply = await send({ ...request, headers });
    if (reply.body.encoding === 'identity' || reply.body.size > SMALL_REPLY_BYTES) return reply;
    // Damage is an error of the wire, as a reply that was cut off: whoever repeats calls decides.
    const body = new Body();
    body.add(await reply.body.read());
    const { 'content-encoding': encoding, 'content-length': _, ...rest } = reply.headers;
    return { ...reply, headers: { ...rest, [CAME_AS]: encoding }, body };
  });

/** Whether a compressed reply did not come as it was sent: codes of zlib.h, as node:zlib names them. */
export const isDamaged = (error: unknown): boolean => (errnoOf(error) ?? '').startsWith('Z_');
