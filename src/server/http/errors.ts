import { errnoOf, Failure } from '../../base/errors.js';

/** Limits of a request, in bytes and milliseconds. */
export const BODY_LIMIT_BYTES = 1024 * 1024;

/** An error that Fastify raises before a route is reached, as a Failure. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const code = errnoOf(error) ?? '';
  const status = (error as { statusCode?: unknown }).statusCode;
  const words = error instanceof Error ? error.message : String(error);
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new Failure('request-too-large', { limit: BODY_LIMIT_BYTES });
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new Failure('request-refused-here', { what: `the request is not understood: ${words}` });
  return new Failure('internal', {}, error);
}

/** Statuses that HTTP defines, instead of the catalogue's. */
export function statusOf(failure: Failure, error: unknown): number {
  const own = (error as { statusCode?: unknown }).statusCode;
  if (!(error instanceof Failure) && typeof own === 'number' && own >= 400 && own < 500) return own;
  // 499 means that the client closed the connection, and must not be sent.
  return failure.httpStatus === 499 ? 503 : failure.httpStatus;
}

/** The one form of every error. */
export function errorBody(failure: Failure) {
  const { code, line, remedy } = failure;
  return { errors: [{ description: line, code, remedy }] };
}
