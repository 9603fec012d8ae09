import type { IncomingMessage } from 'node:http';
import { readBody } from '../http/body.js';

/** A body of form fields or of a flat JSON object. */

export async function fields(request: IncomingMessage): Promise<Record<string, string>> {
  const body = (await readBody(request)).toString();
  if (!/json/.test(request.headers['content-type'] ?? '')) return Object.fromEntries(new URLSearchParams(body));
  try {
    const parsed: unknown = JSON.parse(body);
    if (parsed === null || typeof parsed !== 'object') return {};
    return Object.fromEntries(Object.entries(parsed).map(([key, value]) => [key, String(value)]));
  } catch {
    return {};
  }
}
