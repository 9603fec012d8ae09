import { hostname } from 'node:os';
import { oneLine } from '../../base/text.js';

/** What people are told about without asking. */
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
  /** Tells apart what one kind is said of: a job's id, a connection's, a mount point. */
  readonly subject: string;
  /** One line, safe to show. Names in it came from elsewhere: it is data, never part of a command. */
  readonly message: string;
  readonly job?: { readonly id: string; readonly name: string };
  /** Whose jobs' `notify` is used as well, where it is not said of one job. */
  readonly connection?: string;
  readonly execution?: number;
  readonly status?: string;
  readonly report?: string;
}

/** What a program that is told gets on its standard input, and an address as the body of a POST. */
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
