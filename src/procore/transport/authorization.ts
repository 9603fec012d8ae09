import type { TokenSource } from '../../connections/token-source.js';
import { interceptor } from './exchange.js';

/** How often a token may be refused before the sign-in is. A token can end on its way to the server, even a new one. */
const ATTEMPTS = 3;

/** Adds the Bearer token; on 401 asks for a new one and sends the call again. */
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
