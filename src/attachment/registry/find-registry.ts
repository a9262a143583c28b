/**
 * Which of a cluster's listed places is its registry, where nodes and fences are written down: the one that says so,
 * whatever stands before it in the clusters file. Asked once for each list of places.
 */
import type { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import type { PoolSpec } from '../../model/volume-id.js';
import type { Logger } from '../../observe/log.js';
import type { ClusterConfig } from '../../rbd/clusters-file.js';
import type { ClusterAccess, PoolRef, RbdPort } from '../../rbd/port.js';
import { lastSeen } from '../nodes/all-registrations.js';
import { byAge, claimPlace, hasAnswered, isUnasked, markHere, nameOf, readMarks } from './registry-marks.js';
import type { Answer, Answered } from './registry-marks.js';
import { hasRecords, takeOver } from './registry-records.js';

export interface RegistryParts {
  readonly rbd: Pick<RbdPort, 'getRecords' | 'compareAndSetRecord' | 'listRecords'>;
  /** Names of all that is kept in a registry. */
  readonly objects: readonly string[];
  /** False for who changes nothing: then it is found as it would be recorded. */
  readonly records: boolean;
  readonly log: Pick<Logger, 'info' | 'error'>;
  readonly now: () => Date;
}

/** A node speaks every 30 s: places whose last words are no further apart are in use at the same time, ms. */
const SAME_TIME_MS = 300_000;

export class RegistryFinder {
  readonly #parts: RegistryParts;
  /** By cluster; with what the file said of it then. */
  readonly #known = new Map<string, { readonly of: string; readonly place: PoolSpec }>();

  constructor(parts: RegistryParts) {
    this.#parts = parts;
  }

  /**
   * A cluster with one listed place asks nobody. BERTH_REGISTRY_UNKNOWN while a place that may be it cannot be asked:
   * a second registry would hide nodes and fences. Errors of the cluster where no place can be asked.
   */
  async find(config: ClusterConfig, access: ClusterAccess, deadline: Deadline): Promise<PoolSpec> {
    const listed = config.pools.flatMap(({ name, namespaces }) =>
      namespaces.map((namespace): PoolRef => ({ access, pool: name, namespace })),
    );
    const [only] = listed;
    if (only !== undefined && listed.length === 1) return placeOf(only);
    const of = JSON.stringify([config.monitors, listed.map(nameOf)]);
    const known = this.#known.get(config.id);
    if (known?.of === of) return known.place;
    const place = placeOf(await this.#ask(listed, deadline));
    this.#known.set(config.id, { of, place });
    return place;
  }

  async #ask(listed: readonly PoolRef[], deadline: Deadline): Promise<PoolRef> {
    const { rbd } = this.#parts;
    const answers = await Promise.all(listed.map((at) => readMarks(rbd, at, deadline)));
    const answered = answers.filter(hasAnswered);
    const failed = answers.find(isUnasked);
    if (answered.length === 0 && failed !== undefined) throw failed.failure;
    const marked = byAge(answered.filter(({ here }) => here !== undefined));
    const [oldest] = marked;
    if (oldest === undefined) return this.#settle(answers, answered, deadline);
    // Made by processes whose files list other places. Who looks into one has to see the fences of both.
    await this.#unite(oldest.at, marked, deadline);
    return oldest.at;
  }

  /** Nobody says that he is it: the cluster is new, or nodes and fences were written by an earlier Berth. */
  async #settle(answers: readonly Answer[], answered: readonly Answered[], deadline: Deadline): Promise<PoolRef> {
    const { rbd, objects, records, now, log } = this.#parts;
    const unasked = answers.filter(isUnasked);
    const used = await filter(answered, ({ at }) => hasRecords(rbd, at, objects, deadline));
    // A place that is gone for good holds nothing; but a renamed pool looks the same, and may hold all there is.
    const doubtful = unasked.find(({ failure }) => used.length === 0 || !isGone(failure));
    if (doubtful !== undefined) throw unknown(doubtful.at, doubtful.failure);
    const wanted = (await this.#inUse(used, deadline)) ?? answered[0];
    if (wanted === undefined) throw new Error('a cluster has at least one place');
    if (!records) return wanted.at;
    const place = await claimPlace(rbd, answered, wanted.at, deadline);
    // Before anybody is told that this is it: a fence that is not seen here is not kept up.
    await this.#unite(place, used, deadline);
    await markHere(rbd, place, now(), deadline);
    log.info({ cluster: place.access.cluster, registry: nameOf(place) }, 'the registry of the cluster is recorded');
    return place;
  }

  /**
   * Of places that an earlier Berth wrote to, the first in the list where nodes register now. That is what the earlier
   * one goes on doing where it runs beside us. A place that it left long ago would make running nodes look silent.
   */
  async #inUse(used: readonly Answered[], deadline: Deadline): Promise<Answered | undefined> {
    if (used.length < 2) return used[0];
    const seen = await Promise.all(used.map(({ at }) => lastSeen(this.#parts.rbd, at, deadline)));
    const newest = Math.max(...seen);
    return used.find((_, index) => newest - (seen[index] ?? 0) <= SAME_TIME_MS) ?? used[0];
  }

  async #unite(place: PoolRef, all: readonly Answered[], deadline: Deadline): Promise<void> {
    const { rbd, objects, records, log } = this.#parts;
    const others = all.map(({ at }) => at).filter((at) => nameOf(at) !== nameOf(place));
    if (others.length === 0 || !records) return;
    const found = { cluster: place.access.cluster, registry: nameOf(place), others: others.map(nameOf) };
    for (const other of others) await takeOver(rbd, other, place, objects, deadline);
    log.error(
      found,
      'nodes or fences were written to more than one place of this cluster: one is the registry, and what it lacked ' +
        'was copied from the others; make all clusters files list the same places, and start all drivers anew',
    );
  }
}

const placeOf = ({ pool, namespace }: PoolSpec): PoolSpec => ({ pool, namespace });

const isGone = (failure: unknown): boolean =>
  isBerthError(failure) && (failure.code === 'BERTH_POOL_NOT_FOUND' || failure.code === 'BERTH_NAMESPACE_NOT_FOUND');

function unknown(at: PoolRef, failure: unknown): Error {
  const why = failure instanceof Error ? failure.message : String(failure);
  return berthError('BERTH_REGISTRY_UNKNOWN', { cluster: at.access.cluster, place: nameOf(at), why }, failure);
}

async function filter(
  places: readonly Answered[],
  keep: (one: Answered) => Promise<boolean>,
): Promise<readonly Answered[]> {
  const kept = await Promise.all(places.map(keep));
  return places.filter((_, index) => kept[index] === true);
}
