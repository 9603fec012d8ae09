import type { Row } from './api.js';
import { facts, failure, h, put } from './dom.js';
import { estimateFacts } from './estimate.js';
import { bytesOf, captionOf, durationOf, timeOf } from './format.js';
import { sideOf, statusOf } from './jobs.js';
import { scheduleText } from './schedule-form.js';
import { texts } from './texts.js';

/** The settings of a job and the progress of its run. Updated often, so it redraws only what differs. */
export class JobOverview {
  readonly #place: HTMLElement;
  #shown = '';

  constructor(place: HTMLElement) {
    this.#place = place;
  }

  show(job: Row): void {
    const text = JSON.stringify(job);
    if (text === this.#shown) return;
    this.#shown = text;
    const run = job.execution ?? job.previous_execution;
    put(
      this.#place,
      h('h2', {}, job.execution ? texts.progress : texts.lastRun),
      run ? runOf(run, job.execution !== null) : h('p', {}, texts.notRunYet),
      run?.stats.estimate ? h('h2', {}, texts.wizardEstimate) : null,
      run?.stats.estimate ? estimateFacts(run.stats.estimate) : null,
      h('h2', {}, texts.definition),
      definitionOf(job),
    );
  }
}

function definitionOf(job: Row): HTMLElement {
  const { transfer } = job;
  return facts([
    [texts.status_, statusOf(job.status)],
    [texts.health, captionOf(texts.healths, job.health)],
    [texts.kind, captionOf(texts.transferTypes, transfer.transfer_type)],
    [texts.source, sideOf(transfer.source)],
    [texts.destination, sideOf(transfer.destination)],
    [texts.conflicts, captionOf(texts.conflictWords, transfer.conflict_resolution)],
    [texts.deletions, captionOf(texts.deletionWords, transfer.delete_propagation)],
    [texts.schedule, scheduleText(job.schedule)],
    [texts.category, job.category?.name],
    [texts.nextRun, timeOf(job.execute_on)],
    [texts.created, `${timeOf(job.created_on)} (${job.created_by})`],
    [texts.changed, job.modified_on === job.created_on ? null : `${timeOf(job.modified_on)} (${job.modified_by})`],
  ]);
}

function runOf(run: Row, isRunning: boolean): HTMLElement {
  const { source } = run.stats;
  const percent = Math.round(run.progress * 100);
  return h(
    'div',
    {},
    isRunning ? h('progress', { max: 1, value: run.progress, 'aria-label': texts.progress }) : null,
    isRunning ? h('p', {}, texts.progressOf(percent, captionOf(texts.phases, run.phase))) : null,
    run.reason ? failure(run.reason) : null,
    facts([
      [texts.status_, captionOf(texts.runStatuses, run.status)],
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
