import type { HandleStep, LocalStep } from './operations.js';
import type { Place } from './place.js';
import type { ModelTree } from './tree.js';

/** A folder of a file system that programs work on. Errors have a `code`, or a name as `errno`. */
export type ModelPlace = Omit<Place, 'root' | 'handles'>;

/** Of one step: what came out, or the errno. */
interface Outcome {
  readonly errno?: string;
  readonly result?: unknown;
}

/** One step in both file systems. @throws where they differ */
export async function compare(step: LocalStep, place: ModelPlace, model: ModelTree): Promise<void> {
  const chosen = chooseHandle(step, model);
  if (!chosen) return;
  const wanted = await outcome(async () => inModel(chosen, model));
  const found = await outcome(() => inPlace(chosen, place, model));
  if (JSON.stringify(found) !== JSON.stringify(wanted))
    throw new Error(`${JSON.stringify(chosen)}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
}

/** Undefined where nothing is open. */
function chooseHandle(step: LocalStep, { handles }: ModelTree): LocalStep | undefined {
  if (!('handle' in step)) return step;
  return handles.length === 0 ? undefined : ({ ...step, handle: step.handle % handles.length } as HandleStep);
}

async function outcome(work: () => Promise<unknown>): Promise<Outcome> {
  try {
    const result = await work();
    return { result: Buffer.isBuffer(result) ? result.toString('hex') : result };
  } catch (error) {
    const { errno, code } = error as { errno?: unknown; code?: string };
    const name = typeof errno === 'string' ? errno : code;
    if (name === undefined) throw error;
    return { errno: name };
  }
}

async function inPlace(step: LocalStep, place: ModelPlace, model: ModelTree): Promise<unknown> {
  switch (step.op) {
    case 'write':
      return place.write(step.path, step.text, step.how);
    case 'truncate':
      return place.truncate(step.path, step.size);
    case 'rename':
      return place.rename(step.path, step.to);
    case 'stat':
      return place.stat(step.path, await statOf(model, step.path));
    case 'chmod':
      return place.chmod(step.path, step.mode);
    case 'utimens':
      return place.utimens(step.path, step.mtime);
    case 'open':
      return place.open(step.path, step.flags);
    case 'handle-read':
      return place.readHandle(step.handle, step.offset, step.length);
    case 'handle-write':
      return place.writeHandle(step.handle, step.offset, step.text);
    case 'handle-truncate':
      return place.truncateHandle(step.handle, step.size);
    case 'handle-chmod':
      return place.chmodHandle(step.handle, step.mode);
    case 'handle-utimens':
      return place.utimensHandle(step.handle, step.mtime);
    case 'handle-size':
      return place.sizeOfHandle(step.handle);
    case 'handle-sync':
      return place.syncHandle(step.handle);
    case 'handle-close':
      return place.close(step.handle);
    default:
      return place[step.op](step.path);
  }
}

async function statOf(model: ModelTree, path: string) {
  try {
    return model.stat(path);
  } catch {
    return { type: 'file' as const, size: undefined, mode: undefined, mtime: undefined };
  }
}

function inModel(step: LocalStep, model: ModelTree): unknown {
  switch (step.op) {
    case 'write':
      return model.write(step.path, step.text, step.how);
    case 'truncate':
      return model.truncate(step.path, step.size);
    case 'rename':
      return model.rename(step.path, step.to);
    case 'chmod':
      return model.chmod(step.path, step.mode);
    case 'utimens':
      return model.utimens(step.path, step.mtime);
    case 'open':
      return model.open(step.path, step.flags);
    case 'handle-read':
      return model.readHandle(step.handle, step.offset, step.length);
    case 'handle-write':
      return model.writeHandle(step.handle, step.offset, step.text);
    case 'handle-truncate':
      return model.truncateHandle(step.handle, step.size);
    case 'handle-chmod':
      return model.chmodHandle(step.handle, step.mode);
    case 'handle-utimens':
      return model.utimensHandle(step.handle, step.mtime);
    case 'handle-size':
      return model.sizeOfHandle(step.handle);
    case 'handle-sync':
      return undefined;
    case 'handle-close':
      return model.close(step.handle);
    default:
      return model[step.op](step.path);
  }
}
