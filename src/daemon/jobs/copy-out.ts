import { join } from 'node:path';
import { Failure } from '../../base/errors.js';
import { oneLine } from '../../base/text.js';
import type { Connections } from '../../connections/store.js';
import type { FilterRule } from '../../jobs/definition/filter-schema.js';
import type { Job, JobBody } from '../../jobs/definition/job-schema.js';
import { parseJobBody } from '../../jobs/definition/job-schema.js';
import type { EndpointReference } from '../../jobs/definition/transfer-schema.js';
import type { JobEngine } from '../../jobs/engine.js';
import type { ProjectSession } from '../../project/session.js';
import { shortHash } from '../../project/state-folder.js';
import type { Privacy } from '../../vfs/privacy.js';
import { concerns, locationOf } from './places.js';
import { sideFrom } from './references.js';

/** The mount option `-o copy_out=TO,every=S`. */
export interface CopyOutRequest {
  /** An absolute path, or `CONNECTION[:/path]`. */
  readonly to: string;
  /** Seconds from the end of a run to the start of the next. */
  readonly every: number;
}

/** The properties of a mount that copy-out jobs depend on. */
export interface MountedFolder {
  readonly mountpoint: string;
  /** Path within the project. */
  readonly folder: string;
  readonly copyOut?: CopyOutRequest | undefined;
  /** Items that the mount conceals are not copied out. */
  readonly owner?: { readonly privacy?: Privacy };
}

const WITHOUT_PRIVATE: FilterRule = { type: 'filter_rule', action: 'exclude', rules: [{ type: 'filter_private' }] };

/** The category that distinguishes jobs made by mounts from jobs made by users. */
const CATEGORY = 'copy-out by mount';
const LONGEST_NAME = 180;

/** The jobs by which mounts copy their projects out. They stay when a mount ends, as it is mounted again at boot. */
export class CopyOuts {
  constructor(
    private readonly engine: JobEngine,
    private readonly connections: Connections,
  ) {}

  /**
   * Checks, before anything is mounted, whether the copy-out of a mount is possible.
   * @throws Failure `usage`, `no-such-connection`, `job-overlaps`, `job-name-taken`, `job-refused`
   */
  async check(mount: MountedFolder, session: ProjectSession | undefined): Promise<void> {
    if (!mount.copyOut) return;
    if (!session) throw new Failure('usage', { what: 'copy_out needs a mount of one project, not of a company' });
    const body = this.#wanted(mount, mount.copyOut, session);
    const place = await locationOf(this.connections, body.transfer.destination);
    const path = `/${place.path}`;
    if (place.tree === 'this machine' && (path === mount.mountpoint || path.startsWith(join(mount.mountpoint, '/'))))
      throw new Failure('job-overlaps', { name: body.name, why: `${path} lies in the mount itself` });
    const known = this.#known(body, session);
    if (!known && this.engine.store.list().some(({ name }) => name === body.name))
      throw new Failure('job-name-taken', { name: body.name });
    await this.engine.check(known?.name ?? body.name, body.transfer);
  }

  /** Creates or changes the jobs that the mounts of a project request; disables those that none requests any more. */
  apply(mounts: readonly MountedFolder[], session: ProjectSession): void {
    const { store } = this.engine;
    const kept = new Set<string>();
    for (const mount of mounts) {
      if (!mount.copyOut) continue;
      const body = this.#wanted(mount, mount.copyOut, session);
      const known = this.#known(body, session);
      const transfer = known && mount.owner?.privacy === 'hide' ? withoutPrivate(known.transfer) : known?.transfer;
      const job = known && transfer ? this.#changed(known, { ...body, transfer, name: known.name }) : store.add(body);
      kept.add(job.id);
    }
    for (const job of this.#own(session))
      if (!kept.has(job.id) && !job.disabled) this.#changed(job, { disabled: true });
  }

  #own(session: ProjectSession): Job[] {
    const jobs = this.engine.store.list();
    return jobs.filter(
      ({ category, transfer }) => category?.name === CATEGORY && concerns(this.connections, transfer.source, session),
    );
  }

  #known(body: JobBody, session: ProjectSession): Job | undefined {
    const ends = ({ source, destination }: Job['transfer']): string => JSON.stringify([source, destination]);
    return this.#own(session).find(({ transfer }) => ends(transfer) === ends(body.transfer));
  }

  /** Changes a job, but keeps other settings made by users (filters, notify, …). */
  #changed(job: Job, change: Partial<JobBody>): Job {
    const { name, kind, description, transfer, stop_policy, priority, retention, notify, schedule, disabled } = job;
    const before = { name, kind, description, transfer, stop_policy, priority, retention, notify, schedule, disabled };
    const { schedule: wanted = schedule, disabled: isDisabled = disabled, transfer: filtered = transfer } = change;
    const after = { ...before, schedule: wanted, disabled: isDisabled, transfer: filtered };
    if (JSON.stringify(after) === JSON.stringify(before)) return job;
    const body = parseJobBody(JSON.parse(JSON.stringify({ ...after, category: { name: CATEGORY } })));
    return this.engine.store.replace(job.id, body);
  }

  #wanted({ folder, owner }: MountedFolder, copyOut: CopyOutRequest, { connection, project }: ProjectSession): JobBody {
    const to = copyOut.to.startsWith('/') || copyOut.to.includes(':') ? copyOut.to : `${copyOut.to}:`;
    const names = [...(connection.project === undefined ? [String(project.id)] : []), folder];
    const source: EndpointReference = {
      connection: { id: connection.id },
      target: { path: `/${names.filter((name) => name !== '').join('/')}` },
    };
    const from = [`${connection.name}:${project.name}`, folder].filter((name) => name !== '').join('/');
    return parseJobBody({
      name: shortened(oneLine(`copy-out of ${from} to ${copyOut.to}`)),
      description: 'made by the mount option copy_out',
      transfer: {
        transfer_type: 'copy',
        source,
        destination: sideFrom(this.connections, to),
        ...(owner?.privacy === 'hide' ? { filter: { source: [WITHOUT_PRIVATE], destination: [] } } : {}),
      },
      schedule: { mode: 'auto', repeat_interval: { value: copyOut.every, unit: 's' } },
      category: { name: CATEGORY },
    });
  }
}

/** Adds the filter if it is missing: a mount that now hides private items must no longer copy them. */
function withoutPrivate(transfer: Job['transfer']): Job['transfer'] {
  const { source, destination } = transfer.filter;
  const isThere = source.some((filter) => JSON.stringify(filter) === JSON.stringify(WITHOUT_PRIVATE));
  return isThere ? transfer : { ...transfer, filter: { source: [...source, WITHOUT_PRIVATE], destination } };
}

/** Limits the length of a job name; a hash keeps shortened names distinct. */
const shortened = (name: string): string =>
  name.length <= LONGEST_NAME ? name : `${name.slice(0, LONGEST_NAME - 17)} ${shortHash(name)}`;
