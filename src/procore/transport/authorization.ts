import type { TokenSource } from '../../connections/token-source.js';
import { interceptor } from './exchange.js';

/** Refused tokens after which the sign-in counts as refused. A token can expire in transit, even a new one. */
const ATTEMPTS = 3;

/** Adds the Bearer token; on 401 gets a new one and repeats the call. */
export const authorization = (tokens: TokenSource) =>
  interceptor(async (request, send) => {
    for (let attempt = 1; ; attempt++) {
      const token = await tokens.token(request.call.signal);
      const headers = { ...(request.headers as Record<string, string>), authorization: `Bearer ${token.reveal()}` };
      const reply = await send({ ...request, headers });
      if (reply.status !== 401 || attempt === ATTEMPTS) return reply;
      tokens.invalidate(token);
    }
  });
