import type { Switches } from '../switches.js';

/** The reply of a route; `body` is serialised as JSON unless it is a string. */
export interface RouteReply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Ends a request with an error status. */
export class ApiError extends Error {
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    super(`status ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** A validation error of one field. */
export const fieldError = (status: number, field: string, text: string): ApiError =>
  new ApiError(status, { errors: { [field]: [text] } });

/** An error without a field, in the format that the switch selects. */
export function plainError(switches: Switches, status: number, text: string): ApiError {
  const forms = {
    map: { errors: { base: [text] } },
    array: { errors: [text] },
    string: { errors: text },
    error: { error: text },
    message: { message: text },
  };
  return new ApiError(status, forms[switches.get('errors-form')]);
}
