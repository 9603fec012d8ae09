import { hostname } from 'node:os';
import { oneLine } from '../../base/text.js';

/** Events that people are notified of. */
export type NoticeKind =
  | 'failed'
  | 'flagged'
  | 'stale'
  | 'waiting'
  | 'signed-out'
  | 'old-outbox'
  | 'held'
  | 'needs-person'
  | 'refused';

export interface Notice {
  readonly kind: NoticeKind;
  /** Distinguishes notices of one kind: id of a job or a connection, or a mount point. */
  readonly subject: string;
  /** One line, safe to display. It contains names from other sources: use it as data, never as part of a command. */
  readonly message: string;
  readonly job?: { readonly id: string; readonly name: string };
  /** Id of a connection: `notify` of its jobs is used as well, unless the notice belongs to one job. */
  readonly connection?: string;
  readonly execution?: number;
  readonly status?: string;
  readonly report?: string;
}

/** JSON for the standard input of a program and the body of a POST. */
export const noticeJson = (notice: Notice): string =>
  JSON.stringify({
    event: notice.kind,
    message: oneLine(notice.message, 1000),
    host: hostname(),
    at: new Date().toISOString(),
    ...(notice.job ? { job: { id: notice.job.id, name: oneLine(notice.job.name) } } : {}),
    ...(notice.execution === undefined ? {} : { execution: notice.execution }),
    ...(notice.status === undefined ? {} : { status: notice.status }),
    ...(notice.report === undefined ? {} : { report: notice.report }),
  });
