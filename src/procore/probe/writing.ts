import { randomBytes, randomUUID } from 'node:crypto';
import { isFailure } from '../../base/errors.js';
import type { Caller, RawCall } from './caller.js';
import {
  asObject,
  type Evidence,
  idOf,
  listOf,
  nameSeen,
  type ProbedReply,
  type ProbeStep,
  updatedOf,
} from './evidence.js';
import { maximumIn, type ProbedProject, stamp } from './reading.js';

/** Names that users may see if a probe was killed; everything else is below this folder. */
export const SCRATCH_NAME = /^procorefs probe \d{4}-\d\d-\d\d [0-9a-f]{8}$/;

export const SENT = {
  characters: 'a/<>:\\|?*b',
  edges: ' Edge. ',
  decomposed: 'De\u0301tail',
  composed: 'D\u00e9tail',
} as const;

/** `updated_at` has whole seconds: a change made this much later, ms, gets a later value. */
const NEXT_SECOND = 1100;
const CHECK_OUT_SECONDS = 3;
/** Time limit for the clean-up after an interruption, ms. */
const LAST_CALL_MS = 60_000;

/** What became of the scratch folder. */
export interface CleanUp {
  readonly folder: string;
  readonly deleted: boolean;
  readonly why?: string;
}

/**
 * Creates a scratch folder, tests in it the facts that need writes, and always deletes it: 35 to 40 calls. Undefined if
 * nothing was created.
 */
export async function writeFacts(
  caller: Caller,
  evidence: Evidence,
  place: ProbedProject,
): Promise<{ cleanUp: CleanUp | undefined; failure: unknown }> {
  const name = `procorefs probe ${new Date().toISOString().slice(0, 10)} ${randomBytes(4).toString('hex')}`;
  let failure: unknown;
  try {
    await new Writing(caller, evidence, place).run(name);
  } catch (error) {
    failure = error;
  }
  const { scratch } = evidence.seen;
  // A folder whose reply was lost may exist nevertheless.
  const mayExist = scratch ? scratch.ok : failure !== undefined;
  const cleanUp = mayExist ? await removeScratch(caller, evidence, place, name) : undefined;
  return { cleanUp, failure };
}

async function removeScratch(caller: Caller, evidence: Evidence, place: ProbedProject, name: string): Promise<CleanUp> {
  const { company, project, folder } = place;
  const signal = caller.signal;
  caller.signal = AbortSignal.timeout(LAST_CALL_MS);
  try {
    let id = idOf(evidence.seen.scratch);
    if (id === undefined) {
      const path = `/rest/v1.0/folders/${folder}?project_id=${project}&exclude_files=true`;
      const parent = await caller.call('clean-up', { path, company });
      const found = listOf(parent.item.folders).find((row) => row.name === name);
      if (!found) return { folder: name, deleted: true };
      id = Number(found.id);
    }
    const path = `/rest/v1.0/folders/${id}?project_id=${project}`;
    const gone = await caller.call('clean-up', { method: 'DELETE', path, company });
    return gone.ok || gone.status === 404
      ? { folder: name, deleted: true }
      : { folder: name, deleted: false, why: `${gone.status} ${gone.words}` };
  } catch (error) {
    return { folder: name, deleted: false, why: isFailure(error) ? error.line : String(error) };
  } finally {
    caller.signal = signal;
  }
}

class Writing {
  readonly #caller: Caller;
  readonly #evidence: Evidence;
  readonly #place: ProbedProject;
  #scratch = 0;

  constructor(caller: Caller, evidence: Evidence, place: ProbedProject) {
    this.#caller = caller;
    this.#evidence = evidence;
    this.#place = place;
  }

  /** @throws Failure as the caller does; the signal's reason */
  async run(name: string): Promise<void> {
    const scratch = await this.#makeFolder('scratch', this.#place.folder, name);
    const id = idOf(scratch);
    if (id === undefined) return;
    this.#scratch = id;
    await this.#make();
    this.#evidence.made = this.#latest();
    await this.#caller.sleep(NEXT_SECOND);
    await this.#change();
    this.#evidence.changed = this.#latest();
    await this.#caller.sleep(NEXT_SECOND);
    await this.#changeAgain();
  }

  async #make(): Promise<void> {
    const folder = await this.#makeFolder('folder', this.#scratch, 'Folder');
    await this.#ifMade(folder, (id) => this.#makeFolder('child', id, 'Child'));
    await this.#makeFolder('target', this.#scratch, 'Target');

    const first = await this.#upload('announce', 'File.txt', 'first');
    this.#evidence.uploadStatus = first?.status;
    if (first) {
      await this.#makeFile('file', this.#scratch, 'File.txt', first.uuid);
      await this.#makeFile('reuse', this.#scratch, 'Again.txt', first.uuid);
    }
    await this.#makeFile('unknown-upload', this.#scratch, 'Unknown.txt', randomUUID());
    await this.#makeProgram();
    await this.#makeEmpty();
    await this.#addVersion();

    await this.#makeFolder('name-characters', this.#scratch, SENT.characters);
    await this.#makeFolder('name-edges', this.#scratch, SENT.edges);
    await this.#makeFolder('name-case', this.#scratch, 'FOLDER');
    await this.#makeFolder('name-clash', this.#scratch, nameSeen(this.#evidence.seen.file) ?? 'File.txt');
    const long = await this.#makeFolder('name-256', this.#scratch, 'L'.repeat(256));
    if (!long.refused || maximumIn(long) !== undefined) return;
    const shorter = await this.#makeFolder('name-255', this.#scratch, 'L'.repeat(255));
    if (shorter.refused) await this.#makeFolder('name-150', this.#scratch, 'L'.repeat(150));
  }

  async #makeProgram(): Promise<void> {
    const target = idOf(this.#evidence.seen.target);
    const upload = await this.#upload('announce-program', 'Program.exe', 'not a program');
    if (!upload || target === undefined) return;
    const program = await this.#makeFile('program', target, 'Program.exe', upload.uuid);
    if (!program.ok) await this.#makeFile('program-again', target, 'Program.txt', upload.uuid);
  }

  async #makeEmpty(): Promise<void> {
    const upload = await this.#upload('announce-empty', 'Empty.txt', '');
    this.#evidence.emptyStatus = upload?.status;
    if (upload && (upload.status ?? 400) < 300) await this.#makeFile('empty', this.#scratch, 'Empty.txt', upload.uuid);
  }

  async #addVersion(): Promise<void> {
    const file = this.#second;
    const upload = file === undefined ? undefined : await this.#upload('announce-version', 'Version.txt', 'second');
    if (!upload) return;
    const body = { file_version: { name: 'Version.txt', upload_uuid: upload.uuid } };
    await this.#call('version', { method: 'POST', path: '/rest/v1.0/file_versions', body }, `&file_id=${file}`);
  }

  /** Each change is made to an item of its own, so that each `updated_at` has one cause. */
  async #change(): Promise<void> {
    const { file, folder, target } = this.#evidence.seen;
    await this.#ifMade(file, (id) => this.#changeFile('rename', id, { name: 'Renamed.txt' }));
    const until = stamp(this.#now() + CHECK_OUT_SECONDS);
    if (this.#second !== undefined) await this.#changeFile('check-out', this.#second, { checked_out_until: until });
    await this.#ifMade(target, (id) => this.#makeFolder('decomposed', id, SENT.decomposed));
    await this.#ifMade(target, (id) => this.#makeFolder('composed', id, SENT.composed));
    const gone = await this.#ifMade(folder, (id) =>
      this.#call('delete-folder', { method: 'DELETE', path: `/rest/v1.0/folders/${id}` }),
    );
    const deleted = gone?.ok ? idOf(folder) : undefined;
    if (deleted === undefined) return;

    const since = `${stamp((this.#evidence.seen.scratch?.date ?? 0) - 2)}...${stamp(this.#now() + 86_400)}`;
    await this.#index('changes', `filters%5Bupdated_at%5D=${since}`);
    await this.#index('changes-bin', `filters%5Bupdated_at%5D=${since}&filters%5Bis_in_recycle_bin%5D=true`);
    await this.#makeFolder('missing-parent', deleted, 'Orphan');
    await this.#call('get-recycled', { path: `/rest/v1.0/folders/${deleted}` });
    await this.#changeFolder('rename-recycled', deleted, { name: 'Renamed in the bin' });
  }

  async #changeAgain(): Promise<void> {
    const { file, folder, target } = this.#evidence.seen;
    if (this.#evidence.seen['delete-folder']?.ok)
      await this.#ifMade(folder, (id) => this.#changeFolder('restore', id, { parent_id: this.#scratch }));
    const second = this.#second;
    if (second !== undefined) await this.#changeFile('move', second, { parent_id: this.#scratch });
    await this.#ifMade(target, (id) => this.#changeFolder('permission', id, { explicit_permissions: true }));
    const name = nameSeen(this.#evidence.seen.rename);
    const gone = await this.#ifMade(file, (id) =>
      this.#call('delete-file', { method: 'DELETE', path: `/rest/v1.0/files/${id}` }),
    );
    if (gone?.ok && second !== undefined && name !== undefined) await this.#changeFile('take-name', second, { name });

    const until = Date.parse(String(this.#evidence.seen['check-out']?.item.checked_out_until ?? '')) / 1000;
    const wait = (until - this.#now() + 1) * 1000;
    if (wait > 0 && wait < 20_000) await this.#caller.sleep(wait);
    await this.#call('listing', { path: `/rest/v1.0/folders/${this.#scratch}` });
  }

  /** Id of the file that was created second. */
  get #second(): number | undefined {
    return idOf(this.#evidence.seen.program) ?? idOf(this.#evidence.seen['program-again']);
  }

  /** The server's time by its last reply, seconds since the epoch. */
  #now(): number {
    const last = this.#evidence.rates.at(-1);
    if (!last) return Math.floor(this.#caller.clock.now() / 1000);
    return last.date + Math.floor((this.#caller.clock.monotonic() - last.at) / 1000);
  }

  /** An upper bound for the times of all changes so far: by the clock of the replies and the times they show. */
  #latest(): number {
    const shown = Object.values(this.#evidence.seen).flatMap((seen) => (seen.ok ? (updatedOf(seen.item) ?? []) : []));
    return Math.max(this.#now(), ...shown.filter((second) => second <= this.#now() + 2));
  }

  #makeFolder(step: ProbeStep, parent: number, name: string): Promise<ProbedReply> {
    const body = { folder: { name, parent_id: parent } };
    return this.#call(step, { method: 'POST', path: '/rest/v1.0/folders', body });
  }

  #makeFile(step: ProbeStep, parent: number, name: string, uuid: string): Promise<ProbedReply> {
    const body = { file: { name, parent_id: parent, upload_uuid: uuid } };
    return this.#call(step, { method: 'POST', path: '/rest/v1.0/files', body });
  }

  #changeFile(step: ProbeStep, id: number, file: object): Promise<ProbedReply> {
    return this.#call(step, { method: 'PATCH', path: `/rest/v1.0/files/${id}`, body: { file } });
  }

  #changeFolder(step: ProbeStep, id: number, folder: object): Promise<ProbedReply> {
    return this.#call(step, { method: 'PATCH', path: `/rest/v1.0/folders/${id}`, body: { folder } });
  }

  #index(step: ProbeStep, query: string): Promise<ProbedReply> {
    const { project, company } = this.#place;
    const path = `/rest/v1.0/projects/${project}/documents?view=extended&sort=-updated_at&per_page=100&${query}`;
    return this.#caller.call(step, { path, company });
  }

  async #upload(
    step: ProbeStep,
    name: string,
    content: string,
  ): Promise<{ uuid: string; status: number | undefined } | undefined> {
    const bytes = Buffer.from(content);
    const { company, project } = this.#place;
    const body = { response_filename: name, response_content_type: 'text/plain', size: bytes.length };
    const path = `/rest/v1.1/projects/${project}/uploads`;
    const announced = await this.#caller.call(step, { method: 'POST', path, body, company });
    const { uuid, url, fields } = announced.item;
    if (!announced.ok || typeof uuid !== 'string' || typeof url !== 'string') return undefined;
    const texts = Object.entries(asObject(fields)).map(([key, value]) => [key, String(value)]);
    return { uuid, status: await this.#caller.upload({ url, fields: Object.fromEntries(texts) }, bytes) };
  }

  async #ifMade(
    seen: ProbedReply | undefined,
    work: (id: number) => Promise<ProbedReply>,
  ): Promise<ProbedReply | undefined> {
    const id = idOf(seen);
    return id === undefined ? undefined : await work(id);
  }

  #call(step: ProbeStep, call: Omit<RawCall, 'company'>, more = ''): Promise<ProbedReply> {
    const { company, project } = this.#place;
    return this.#caller.call(step, { ...call, path: `${call.path}?project_id=${project}${more}`, company });
  }
}
