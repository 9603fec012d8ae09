import type { Row } from './api.js';
import { facts, failure, h, put } from './dom.js';
import { estimateFacts } from './job-wizard.js';
import { sideOf, statusOf } from './jobs.js';
import { bytesOf, captionOf, durationOf, texts, timeOf } from './texts.js';

/** What a job is, and what its run is at. */
export function overview(place: HTMLElement, job: Row): void {
  const run = job.execution ?? job.previous_execution;
  put(
    place,
    h('h2', {}, job.execution ? texts.progress : texts.lastRun),
    run ? runOf(run, job.execution !== null) : h('p', {}, texts.notRunYet),
    run?.stats.estimate ? h('h2', {}, texts.wizardEstimate) : null,
    run?.stats.estimate ? estimateFacts(run.stats.estimate) : null,
    h('h2', {}, texts.definition),
    facts([
      [texts.status_, statusOf(job.status)],
      [texts.health, job.health],
      [texts.kind, captionOf(texts.transferTypes, job.transfer.transfer_type)],
      [texts.source, sideOf(job.transfer.source)],
      [texts.destination, sideOf(job.transfer.destination)],
      [texts.conflicts, captionOf(texts.conflictWords, job.transfer.conflict_resolution)],
      [texts.schedule, captionOf(texts.scheduleWords, job.schedule.mode)],
      [texts.nextRun, timeOf(job.execute_on)],
      [texts.created, timeOf(job.created_on)],
    ]),
  );
}

function runOf(run: Row, isRunning: boolean): HTMLElement {
  const { source } = run.stats;
  const percent = Math.round(run.progress * 100);
  return h(
    'div',
    {},
    isRunning ? h('progress', { max: 1, value: run.progress, 'aria-label': texts.progress }) : null,
    isRunning ? h('p', { role: 'status' }, texts.progressOf(percent, run.phase)) : null,
    run.reason ? failure(run.reason) : null,
    facts([
      [texts.status_, run.status],
      [texts.started, timeOf(run.start_time)],
      [texts.duration, durationOf(run.duration.value)],
      [texts.copied, `${source.new.files} (${bytesOf(source.new.bytes)})`],
      [texts.unchanged, source.existing.files],
      [texts.folders, source.folders],
      [texts.pending, source.pending.files],
      [texts.flagged, source.flagged],
      [texts.ignored, source.ignored],
      [texts.deleted, run.stats.deleted],
      [texts.calls, run.stats.calls],
    ]),
  );
}
