/**
 * Which deleted volumes there are and when each is looked at: at once after its delete, again when what it waited for
 * may have gone, and all of them after a start. A few at a time; nothing is remembered that Ceph does not know.
 */
import { Deadline } from '../../../model/deadline.js';
import { settledWithin } from '../../../model/time-limit.js';
import type { Logger } from '../../../observe/log.js';
import type { Counters } from '../../../observe/metrics.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { ImageRef, PoolRef, RbdPort } from '../../../rbd/port.js';
import { listDeleted } from './list-deleted.js';
import { purgeImage, type PurgeEnd, type PurgeParts } from './purge-image.js';

/** How many are remembered, some 400 bytes each: the others are found by a later round, when these are through. */
const MOST = 50_000;
/** When an image is looked at again that somebody uses, in ms. Ceph forgets a client that died after about 30 s. */
const AGAIN_MS = { watchers: 10_000, lock: 300_000, group: 300_000, snapshots: 1_800_000, failed: 60_000 } as const;
/** What a list of one place may take, in ms. */
const LIST_MS = 30_000;
/** How long a stop waits for the slices that run, in ms: what is cut short is gone on with by the next controller. */
const STOP_MS = 5_000;

export const PURGES_METRIC = 'berth_purges_total';
export const PURGED_BYTES_METRIC = 'berth_purged_bytes_total';
const DELETED_METRIC = 'berth_deleted_volumes';
const OLDEST_METRIC = 'berth_deleted_volumes_oldest_seconds';

export interface PurgesParts extends Omit<PurgeParts, 'stopped'> {
  readonly rbd: Pick<RbdPort, 'list' | 'interruptedRemovals'>;
  readonly clusters: Pick<Clusters, 'pools'>;
  readonly counters: Pick<Counters, 'count' | 'declare' | 'gauge'>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

type State = 'queued' | 'running' | 'kept' | 'leased' | 'waiting' | 'failed' | 'unmarked';

interface Known {
  readonly at: ImageRef;
  readonly id: string;
  state: State;
  /** When it is to be looked at again, ms since the epoch; in a state that lasts. */
  again: number;
  /** ISO 8601, when it was deleted; undefined until it was looked at. */
  since: string | undefined;
  /** To be looked at once more: something changed while it was. */
  nudged: boolean;
}

export class Purges {
  readonly #parts: PurgesParts;
  readonly #width: number;
  /** By cluster and image id. */
  readonly #known = new Map<string, Known>();
  readonly #queue: string[] = [];
  #running = 0;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #wakesAt = Number.POSITIVE_INFINITY;
  #waiters: (() => void)[] = [];

  /** @param width how many images are purged at a time */
  constructor(parts: PurgesParts, width: number) {
    this.#parts = parts;
    this.#width = width;
    parts.counters.declare(PURGES_METRIC, 'Deleted volumes looked at by this controller, by what came of it.', {
      what: ['purged', 'failed'],
    });
    parts.counters.declare(PURGED_BYTES_METRIC, 'Size of the volumes that this controller has purged.');
    parts.counters.gauge(DELETED_METRIC, {
      help: 'Deleted volumes whose data is still there, by what they wait for.',
      labels: ['state'],
      read: () => this.#states(),
    });
    parts.counters.gauge(OLDEST_METRIC, {
      help: 'Age of the longest deleted one that is not kept on purpose.',
      labels: [],
      read: () => [[{}, this.#oldestSeconds()]],
    });
  }

  /**
   * Purge this image as soon as its turn comes; also one that was looked at before: nothing may need it any more.
   * @param at by the name that it has since it was deleted
   */
  begin(at: ImageRef, id: string): void {
    const key = keyOf(at.access.cluster, id);
    const known = this.#known.get(key);
    if (known === undefined) this.#add(key, at, id);
    else if (known.state === 'running') known.nudged = true;
    else if (known.state !== 'queued') this.#enqueue(key, known);
    this.#work();
  }

  /** As {@link begin}, of an image that may be a deleted one: what stood on it has gone. */
  lookAgain(cluster: string, id: string): void {
    const known = this.#known.get(keyOf(cluster, id));
    if (known !== undefined) this.begin(known.at, id);
  }

  /** Find all that there are. A place that cannot be listed costs a line in the log. */
  async round(): Promise<void> {
    for (const place of await this.#parts.clusters.pools('controller')) {
      if (this.#stopped) return;
      try {
        await this.#find(place);
      } catch (error) {
        const { pool, namespace } = place;
        const where = { cluster: place.access.cluster, pool, namespace };
        this.#parts.log.warn({ ...where, err: error }, 'deleted volumes could not be listed; it will be tried again');
      }
    }
    this.#work();
  }

  /** Resolves when nothing is queued and nothing runs: what is left waits for something. */
  idle(): Promise<void> {
    return this.#isIdle() ? Promise.resolve() : new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Begin nothing more; resolves when the slices that run have ended, at the latest after {@link STOP_MS}. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#queue.length = 0;
    await settledWithin(this.idle(), STOP_MS);
  }

  async #find(place: PoolRef): Promise<void> {
    const begun = new Set(this.#known.keys());
    const found = await listDeleted(this.#parts.rbd, place, MOST, Deadline.after(LIST_MS));
    for (const { name, id } of found) {
      const key = keyOf(place.access.cluster, id);
      begun.delete(key);
      if (!this.#known.has(key)) this.#add(key, { ...place, image: name }, id);
    }
    if (found.length < MOST) this.#forgetGone(place, begun);
  }

  /** Those that were known before a list of their place, and are not on it: purged by others, or brought back. */
  #forgetGone(place: PoolRef, keys: ReadonlySet<string>): void {
    for (const key of keys) {
      const known = this.#known.get(key);
      if (known === undefined || known.state === 'running' || known.state === 'queued') continue;
      if (isPlace(known.at, place)) this.#known.delete(key);
    }
  }

  #add(key: string, at: ImageRef, id: string): void {
    if (this.#known.size >= MOST) return;
    const known: Known = { at, id, state: 'queued', again: 0, since: undefined, nudged: false };
    this.#known.set(key, known);
    this.#queue.push(key);
  }

  #enqueue(key: string, known: Known): void {
    known.state = 'queued';
    this.#queue.push(key);
  }

  #work(): void {
    while (!this.#stopped && this.#running < this.#width) {
      const key = this.#queue.shift();
      if (key === undefined) break;
      const known = this.#known.get(key);
      if (known !== undefined) void this.#purge(key, known);
    }
    if (this.#isIdle()) for (const resolve of this.#waiters.splice(0)) resolve();
  }

  #isIdle(): boolean {
    return this.#running === 0 && this.#queue.length === 0;
  }

  async #purge(key: string, known: Known): Promise<void> {
    this.#running += 1;
    known.state = 'running';
    known.nudged = false;
    try {
      const parts = { ...this.#parts, stopped: () => this.#stopped };
      const end = await purgeImage(parts, known.at, known.id);
      this.#ended(key, known, end);
    } catch (error) {
      const { pool, namespace, image } = known.at;
      this.#parts.counters.count(PURGES_METRIC, { what: 'failed' });
      this.#parts.log.warn({ pool, namespace, image, err: error }, 'a deleted volume could not be purged; tried again');
      this.#wait(known, 'failed', Date.now() + AGAIN_MS.failed);
    }
    this.#running -= 1;
    if (!this.#stopped && wasNudged(known) && this.#known.has(key)) this.#enqueue(key, known);
    this.#work();
  }

  #ended(key: string, known: Known, end: PurgeEnd): void {
    const { counters, log } = this.#parts;
    const { pool, namespace, image } = known.at;
    const where = { pool, namespace, image };
    counters.count(PURGES_METRIC, { what: end.kind });
    if ('since' in end) known.since = end.since;
    switch (end.kind) {
      case 'purged':
        counters.count(PURGED_BYTES_METRIC, {}, Number(end.sizeBytes));
        log.info({ ...where, bytes: Number(end.sizeBytes) }, 'a deleted volume was purged');
        this.#known.delete(key);
        if (end.parentId !== undefined) this.lookAgain(known.at.access.cluster, end.parentId);
        return;
      case 'gone':
      case 'stopped':
        this.#known.delete(key);
        return;
      case 'unmarked':
        log.warn(where, 'an image is named like a deleted volume and not marked as one: it is left alone');
        this.#wait(known, 'unmarked', Number.POSITIVE_INFINITY);
        return;
      case 'waits':
        log.info({ ...where, for: end.for }, 'a deleted volume is purged when nothing needs it any more');
        this.#wait(known, 'waiting', Date.now() + AGAIN_MS[end.for]);
        return;
      case 'kept':
      case 'leased':
        this.#wait(known, end.kind, end.until);
    }
  }

  #wait(known: Known, state: State, again: number): void {
    known.state = state;
    known.again = again;
    if (again < this.#wakesAt) this.#wakeLater(again);
  }

  /** One timer, for the first of those that wait. */
  #wakeLater(at: number): void {
    clearTimeout(this.#timer);
    this.#wakesAt = at;
    if (this.#stopped || at === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#wake(), Math.min(Math.max(at - Date.now(), LEAST_PAUSE_MS), MOST_PAUSE_MS));
    // A socket keeps the process alive, not this timer.
    this.#timer.unref();
  }

  #wake(): void {
    const now = Date.now();
    let next = Number.POSITIVE_INFINITY;
    for (const [key, known] of this.#known) {
      if (known.state === 'queued' || known.state === 'running') continue;
      if (known.again <= now) this.#enqueue(key, known);
      else next = Math.min(next, known.again);
    }
    this.#wakeLater(next);
    this.#work();
  }

  #states(): readonly (readonly [Record<string, string>, number])[] {
    const counts = new Map<State, number>();
    for (const { state } of this.#known.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
    return [...counts].map(([state, count]) => [{ state }, count] as const);
  }

  #oldestSeconds(): number {
    const ages = [...this.#known.values()]
      .filter(({ state }) => state !== 'kept' && state !== 'unmarked')
      .map(({ since }) => (since === undefined ? 0 : (Date.now() - Date.parse(since)) / 1000));
    return Math.max(0, ...ages);
  }
}

/** Of the timer, in ms: longer ones Node fires at once. */
const LEAST_PAUSE_MS = 100;
const MOST_PAUSE_MS = 2 ** 31 - 1;
/** While it ran. */
const wasNudged = ({ nudged }: Known): boolean => nudged;
const keyOf = (cluster: string, id: string): string => `${cluster}/${id}`;
const isPlace = (one: PoolRef, other: PoolRef): boolean =>
  one.access.cluster === other.access.cluster && one.pool === other.pool && one.namespace === other.namespace;
