import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { CallOptions } from '../../budget/calls.js';
import { Body, encodingOf, LARGEST_REPLY } from './body.js';

/** Data of a call that the interceptors need besides its HTTP request. */
export interface CallContext extends CallOptions {
  /** `GET /rest/v1.0/me`: for logs and errors, without query. */
  readonly label: string;
  /** May be sent again if the first reply was lost. */
  readonly idempotent: boolean;
  /** For the header `Procore-Company-Id`; undefined leaves it out. */
  readonly companyId: number | undefined;
}

export type CallRequest = Dispatcher.DispatchOptions & { readonly call: CallContext };

/** A completely received reply. */
export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Body;
}

/** Sends one request. `onHead` gets status and headers before the body, also of a reply that is never completed. */
export type Send = (
  request: CallRequest,
  onHead?: (status: number, headers: IncomingHttpHeaders) => void,
) => Promise<HttpReply>;

/** An interceptor for `Dispatcher.compose`, written as one async function for complete replies. */
export function interceptor(work: (request: CallRequest, send: Send) => Promise<HttpReply>) {
  return (dispatch: Dispatcher['dispatch']): Dispatcher['dispatch'] => {
    const send = sender(dispatch);
    return (options, handler) => {
      const controller = new ReplayController();
      handler.onRequestStart?.(controller, {});
      work(options as CallRequest, send).then(
        (reply) => {
          handler.onResponseStart?.(controller, reply.status, reply.headers, '');
          for (const part of reply.body.parts) handler.onResponseData?.(controller, part);
          handler.onResponseEnd?.(controller, {});
        },
        (error: Error) => handler.onResponseError?.(controller, error),
      );
      return true;
    };
  };
}

/** Makes a `Send` from a dispatch function: it collects the reply and ends with the call's signal. */
export function sender(dispatch: Dispatcher['dispatch']): Send {
  return (request, onHead) =>
    new Promise<HttpReply>((resolve, reject) => {
      const { signal } = request.call;
      let controller: Dispatcher.DispatchController | undefined;
      const abort = (): void => {
        controller?.abort(asError(signal?.reason));
        reject(signal?.reason);
      };
      const settle = (action: () => void): void => {
        signal?.removeEventListener('abort', abort);
        action();
      };
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener('abort', abort, { once: true });

      let body = new Body();
      let status = 0;
      let headers: IncomingHttpHeaders = {};
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart(started) {
          controller = started;
          if (signal?.aborted) started.abort(asError(signal.reason));
        },
        onResponseStart(_, statusCode, replyHeaders) {
          if (statusCode < 200) return;
          status = statusCode;
          headers = replyHeaders;
          body = new Body(encodingOf(headers['content-encoding']));
          onHead?.(status, headers);
        },
        onResponseData(active, chunk) {
          if (body.size + chunk.length > LARGEST_REPLY)
            active.abort(new Error(`the reply is larger than ${LARGEST_REPLY} bytes`));
          else body.add(chunk);
        },
        onResponseEnd() {
          settle(() => resolve({ status, headers, body }));
        },
        onResponseError(_, error) {
          settle(() => reject(signal?.aborted ? signal.reason : error));
        },
      };
      try {
        dispatch(request, handler);
      } catch (error) {
        settle(() => reject(error));
      }
    });
}

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));

/** Controller of a replayed reply: pausing has no effect, and the call's signal aborts. */
class ReplayController implements Dispatcher.DispatchController {
  aborted = false;
  paused = false;
  reason: Error | null = null;
  abort(reason: Error): void {
    this.aborted = true;
    this.reason = reason;
  }
  pause(): void {}
  resume(): void {}
}
