import { bearer } from './access.js';
import { type Row, read } from './api.js';
import { pause } from './screen.js';

/**
 * Receives events of the service (`/v1/events`) until the signal aborts. Uses fetch, since an EventSource cannot send
 * the token. Reconnects after a pause when the stream ends.
 */
export async function follow(topic: string, signal: AbortSignal, seen: (data: Row) => void): Promise<void> {
  while (!signal.aborted) {
    try {
      const response = await fetch(`/v1/events?topics=${topic}`, { headers: bearer(), signal, cache: 'no-store' });
      if (response.ok && response.body) await readEvents(response.body, seen);
      // This request renews the access token if possible; otherwise the sign-in screen appears.
      else if (response.status === 401) await read('/v1/session', signal);
    } catch {
      // The page keeps its content; the next attempt may reach the service.
    }
    if (!signal.aborted) await pause(2000);
  }
}

async function readEvents(body: ReadableStream<Uint8Array>, seen: (data: Row) => void): Promise<void> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
      text = text.slice(end + 2);
      if (data !== undefined) seen(JSON.parse(data));
    }
  }
}
