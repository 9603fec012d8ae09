import { errnoOf } from '../../base/errors.js';
import { Body } from './body.js';
import { interceptor } from './exchange.js';

/** An internal header of decompressed replies: the `content-encoding` with which they arrived. */
export const CAME_AS = 'procorefs-content-encoding';

/** Largest compressed reply, bytes, that is decompressed on arrival. */
const SMALL_REPLY_BYTES = 16 * 1024;

/**
 * Requests compressed replies (RFC 9110, 8.4.1.3 and 12.5.3): rows of JSON shrink to a tenth. Small replies are
 * decompressed on arrival; large ones stay compressed until they are read, in whatever thread that is.
 */
export const compression = () =>
  interceptor(async (request, send) => {
    const headers = { ...(request.headers as Record<string, string>), 'accept-encoding': 'gzip' };
    const reply = await send({ ...request, headers });
    if (reply.body.encoding === 'identity' || reply.body.size > SMALL_REPLY_BYTES) return reply;
    // Damaged data is a transport error, like a truncated reply: the retry interceptor decides.
    const body = new Body();
    body.add(await reply.body.read());
    const { 'content-encoding': encoding, 'content-length': _, ...rest } = reply.headers;
    return { ...reply, headers: { ...rest, [CAME_AS]: encoding }, body };
  });

/** Whether a compressed reply was damaged in transit: codes of zlib.h, as node:zlib names them. */
export const isDamaged = (error: unknown): boolean => (errnoOf(error) ?? '').startsWith('Z_');
