import type { TokenSource } from '../../connections/token-source.js';
import { interceptor } from './exchange.js';

/** Adds the Bearer token; on 401 asks for a new one and sends the call once more. */
export const authorization = (tokens: TokenSource) =>
  interceptor(async (request, send) => {
    const attempt = async () => {
      const token = await tokens.token(request.call.signal);
      const reply = await send({
        ...request,
        headers: { ...(request.headers as Record<string, string>), authorization: `Bearer ${token.reveal()}` },
      });
      return { token, reply };
    };
    const first = await attempt();
    if (first.reply.status !== 401) return first.reply;
    tokens.invalidate(first.token);
    return (await attempt()).reply;
  });
