import { Failure } from '../base/errors.js';
import type { Job } from './definition/job-schema.js';
import { changesSource, type Transfer } from './definition/transfer-schema.js';
import type { Abilities } from './fitness.js';

/** Actual place of an endpoint. Endpoints with equal places are the same tree. */
export interface EndpointLocation {
  /** Identifies the tree: platform and account, disk or server. */
  readonly tree: string;
  /** Path from the tree's root, names separated by `/`, without slashes at the ends; `''`: the root. */
  readonly path: string;
  /** Abilities known without opening the endpoint. */
  readonly abilities: Abilities;
  /** Mount point of the project mount that contains the endpoint. */
  readonly within?: string;
}

export interface EndpointLocations {
  readonly source: EndpointLocation;
  readonly destination: EndpointLocation;
}

const isWithin = (inner: EndpointLocation, outer: EndpointLocation): boolean =>
  inner.tree === outer.tree &&
  (outer.path === '' || inner.path === outer.path || inner.path.startsWith(`${outer.path}/`));

const touch = (a: EndpointLocation, b: EndpointLocation): boolean => isWithin(a, b) || isWithin(b, a);

/**
 * Refuses a transfer into its own tree, and one that would undo or endlessly feed another job.
 * @throws Failure `job-overlaps`
 */
export function requireApart(
  name: string,
  transfer: Transfer,
  places: EndpointLocations,
  others: readonly { readonly job: Job; readonly places: EndpointLocations }[],
): void {
  const written = changesSource(transfer) ? [places.destination, places.source] : [places.destination];
  for (const { within } of written)
    if (within !== undefined)
      throw new Failure('job-overlaps', {
        name,
        why: `it would write into the mount at ${within}; name the project as CONNECTION:PROJECT/folder instead`,
      });
  if (touch(places.source, places.destination))
    throw new Failure('job-overlaps', { name, why: 'its destination and its source contain each other' });
  for (const { job, places: other } of others) {
    if (job.name === name || job.disabled || job.status === 'complete') continue;
    const clash = (why: string): never => {
      throw new Failure('job-overlaps', { name, why: `${why} the job "${job.name}"` });
    };
    if (touch(places.source, other.destination) && touch(places.destination, other.source))
      clash('it would go around in a circle with');
    if (touch(places.destination, other.destination)) {
      const own = transfer.transfer_type;
      const theirs = job.transfer.transfer_type;
      if (own === 'publish' || theirs === 'publish') clash('one of them deletes what the other one brings:');
      if (own === 'sync' && theirs === 'sync' && touch(places.source, other.source)) clash('it does the same as');
    }
    if (changesSource(transfer) && changesSource(job.transfer) && touch(places.source, other.source))
      clash('both change the source of');
  }
}
