import type { Row } from './api.js';
import type { Column } from './column-choice.js';
import { h, remote } from './dom.js';
import { captionOf, durationOf, timeOf } from './format.js';
import { texts } from './texts.js';

/** Columns of a list of runs; `isOfAll` adds the job of each run. */
export const runColumns = (isOfAll = false): readonly Column[] => [
  {
    head: texts.run,
    cell: (row: Row) => h('a', { href: `#/jobs/${encodeURIComponent(row.job_id)}/report/${row.id}` }, row.id),
  },
  ...(isOfAll
    ? [
        {
          head: texts.job,
          cell: (row: Row) => h('a', { href: `#/jobs/${encodeURIComponent(row.job_id)}` }, remote(row.job.name)),
        },
      ]
    : []),
  { head: texts.status_, cell: (row) => captionOf(texts.runStatuses, row.status) },
  { head: texts.simulation, cell: (row) => (row.simulation ? texts.simulationRun : texts.realRun) },
  { head: texts.trigger, cell: (row) => captionOf(texts.triggers, row.trigger) },
  { head: texts.started, cell: (row) => timeOf(row.start_time) },
  { head: texts.duration, cell: (row) => durationOf(row.duration.value) },
  { head: texts.copied, cell: (row) => row.stats.source.new.files },
  { head: texts.flagged, cell: (row) => row.stats.source.flagged },
  { head: texts.calls, cell: (row) => row.stats.calls },
  { head: texts.reason, cell: (row) => remote(row.reason) },
];
