import type { Clock } from '../../base/clock.js';
import type { Log } from '../../base/log.js';
import { interceptor } from './exchange.js';

/** One debug line for each request sent: no query, no header except the server's request id, no body. */
export const logging = (log: Log, clock: Clock) =>
  interceptor(async (request, send) => {
    const { label, class: callClass } = request.call;
    const start = clock.monotonic();
    const line = (fields: object): void =>
      log.debug({ call: label, class: callClass, ms: Math.round(clock.monotonic() - start), ...fields }, 'API call');
    try {
      const reply = await send(request);
      line({ status: reply.status, bytes: reply.body.size, requestId: reply.headers['x-request-id'] });
      return reply;
    } catch (error) {
      line({ error });
      throw error;
    }
  });
