/**
 * Which volumes are to stand alone, and when each is looked at: at once after it was put on the list, again when who
 * used it may have gone, and all of them after a start. Those for which a create waits are before all others; nothing
 * is remembered that Ceph does not know.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Deadline } from '../../../model/deadline.js';
import { settledWithin } from '../../../model/time-limit.js';
import type { Logger } from '../../../observe/log.js';
import type { Counters } from '../../../observe/metrics.js';
import type { Clusters, Credentials } from '../../../rbd/clusters.js';
import type { PoolRef } from '../../../rbd/port.js';
import type { ChainLimits } from './chain-depth.js';
import { flattenImage, type FlattenEnd, type FlattenParts } from './flatten-image.js';
import { enlist, readList, type FlattenListPort, type FlattenQueue, type ToFlatten } from './flatten-list.js';

export const FLATTENS_METRIC = 'berth_flattens_total';
const WAITING_METRIC = 'berth_flattens_waiting';
/** When a volume is looked at again, in ms. Ceph forgets a client that died after about 30 s. */
const AGAIN_MS = {
  'in use': 300_000,
  snapshots: 1_800_000,
  open: 30_000,
  unfinished: 60_000,
  leased: 60_000,
  // Only another release of the driver helps.
  'old client': 1_800_000,
  failed: 60_000,
} as const;
type WaitsFor = keyof typeof AGAIN_MS;
/** A create is not held up by these: somebody has the volume already, or a person has to do something. */
const NOT_TO_WAIT_FOR: readonly (WaitsFor | undefined)[] = ['in use', 'snapshots', 'old client'];
const LIST_MS = 30_000;
/**
 * How many of a cluster work at a time: the first for volumes that nobody waits for. One that is silent holds up none
 * of another.
 */
const WIDTH = { background: 1, urgent: 4 } as const;
/** How long a create waits before it is answered that it has to come again, in ms: it takes a place of others. */
const CREATE_MS = 4_000;
const LOOK_MS = 50;
/**
 * Between two slices, in ms. Who attaches the volume meanwhile finds nobody at the image: he asks for a second before
 * he takes us for a stranger.
 */
const PAUSE_MS = 1_500;
/** How long a stop waits for the slices that run, in ms: what is cut short is gone on with by the next controller. */
const STOP_MS = 5_000;

export interface FlattensParts extends Omit<FlattenParts, 'stopped' | 'urgent' | 'progress' | 'step' | 'pauseMs'> {
  readonly rbd: FlattenListPort;
  readonly limits: ChainLimits;
  readonly clusters: Pick<Clusters, 'all' | 'pool' | 'registry'>;
  readonly counters: Pick<Counters, 'count' | 'declare' | 'gauge'>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Told of each step, for tests. */
  readonly entered: (step: string, volume: string) => void;
  /** What a volume stood on may be a deleted one's, and go now. */
  readonly parentFree: (cluster: string, imageId: string) => void;
}

interface Known {
  readonly cluster: string;
  readonly image: ToFlatten;
  /** Of the create that asked for it; undefined where the clusters file's user works. */
  readonly secrets: Credentials | undefined;
  state: 'queued' | 'running' | 'waiting';
  /** In the state `waiting`. */
  for: WaitsFor | undefined;
  /** When it is looked at again, ms since the epoch. */
  again: number;
  /** Percent of it that was looked at. */
  percent: number;
  /** Does a create wait for it, or has one? */
  urgent: boolean;
}

export class Flattens implements FlattenQueue {
  readonly limits: ChainLimits;
  readonly #parts: FlattensParts;
  /** By cluster and image. */
  readonly #known = new Map<string, Known>();
  readonly #running = new Map<Known, Promise<void>>();
  #stopped = false;
  #warned = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: FlattensParts) {
    this.limits = parts.limits;
    this.#parts = parts;
    const { counters } = parts;
    counters.declare(FLATTENS_METRIC, 'Volumes on long chains looked at by this controller, by what came of it.', {
      what: ['failed'],
    });
    counters.gauge(WAITING_METRIC, {
      help: 'Volumes on long chains that do not stand alone yet, by what they wait for.',
      labels: ['state'],
      read: () => this.#states(),
    });
  }

  async enlist(cluster: string, image: ToFlatten, secrets: Credentials | undefined, deadline: Deadline): Promise<void> {
    const registry = await this.#parts.clusters.registry(cluster, 'controller', deadline, secrets);
    await enlist(this.#parts.rbd, registry, image, this.#parts.now(), deadline);
  }

  begin(cluster: string, image: ToFlatten, secrets: Credentials | undefined): void {
    this.#find(cluster, image, secrets);
    this.#work();
  }

  async hurry(
    cluster: string,
    image: ToFlatten,
    secrets: Credentials | undefined,
    deadline: Deadline,
  ): Promise<number | undefined> {
    const known = this.#find(cluster, image, secrets);
    known.urgent = true;
    if (known.state === 'waiting') known.state = 'queued';
    this.#work();
    const limit = deadline.less(LOOK_MS * 4).within(CREATE_MS);
    while (!limit.expired && !this.#stopped) {
      await sleep(LOOK_MS);
      if (this.#known.get(keyOf(cluster, image)) !== known) return undefined;
      if (isSettled(known)) {
        known.urgent = false;
        return undefined;
      }
    }
    return known.percent;
  }

  /** Whether this controller gives it data of its own, or is to: it may have its image open then, for a moment. */
  isAt(cluster: string, image: Omit<ToFlatten, 'volume'>): boolean {
    return this.#known.has(keyOf(cluster, image));
  }

  /**
   * Find all that there are in the places of the clusters file; who lists the others works on them. A cluster that
   * cannot be asked costs a line in the log.
   */
  async round(): Promise<void> {
    for (const { id, pools } of await this.#parts.clusters.all()) {
      if (this.#stopped) return;
      try {
        const deadline = Deadline.after(LIST_MS);
        const registry = await this.#parts.clusters.registry(id, 'controller', deadline);
        for (const image of await readList(this.#parts.rbd, registry, deadline)) {
          const place = pools.find(({ name }) => name === image.pool);
          if (place?.namespaces.includes(image.namespace) === true) this.#find(id, image);
        }
      } catch (error) {
        this.#parts.log.warn({ cluster: id, err: error }, 'volumes on long chains could not be listed; tried again');
      }
    }
    this.#work();
  }

  /** Begin nothing more; resolves when the slices that run have ended, at the latest after {@link STOP_MS}. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await settledWithin(Promise.all(this.#running.values()), STOP_MS);
  }

  #find(cluster: string, image: ToFlatten, secrets?: Credentials): Known {
    const key = keyOf(cluster, image);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made: Known = {
      ...{ cluster, image, secrets, state: 'queued', for: undefined },
      ...{ again: 0, percent: 0, urgent: false },
    };
    this.#known.set(key, made);
    return made;
  }

  #work(): void {
    for (const urgent of [true, false]) {
      for (const known of this.#known.values()) {
        if (this.#stopped) break;
        if (known.state !== 'queued' || known.urgent !== urgent) continue;
        if (this.#runningBeside(known) >= (urgent ? WIDTH.urgent : WIDTH.background)) continue;
        const work = this.#flatten(known).finally(() => {
          this.#running.delete(known);
          this.#work();
        });
        this.#running.set(known, work);
      }
    }
    this.#wakeLater();
  }

  #runningBeside({ cluster, urgent }: Known): number {
    return [...this.#running.keys()].filter((one) => one.cluster === cluster && one.urgent === urgent).length;
  }

  async #flatten(known: Known): Promise<void> {
    const { clusters, counters, log, entered } = this.#parts;
    const { cluster, image, secrets } = known;
    const { volume, pool, namespace } = image;
    known.state = 'running';
    try {
      const registry = await clusters.registry(cluster, 'controller', Deadline.after(LIST_MS), secrets);
      const at: PoolRef = await clusters.pool({ cluster, pool, namespace }, 'controller', secrets);
      const run: FlattenParts = {
        ...this.#parts,
        pauseMs: PAUSE_MS,
        step: (name) => entered(name, volume),
        progress: (done, of) => {
          known.percent = of === 0n ? 100 : Number((done * 100n) / of);
        },
        stopped: () => this.#stopped,
        urgent: () => known.urgent,
      };
      this.#ended(known, await flattenImage(run, { registry, at, image }));
    } catch (error) {
      counters.count(FLATTENS_METRIC, { what: 'failed' });
      log.warn({ volume, err: error }, 'a volume on a long chain could not be made to stand alone; tried again');
      this.#wait(known, 'failed');
    }
  }

  #ended(known: Known, end: FlattenEnd): void {
    const { counters, log, parentFree } = this.#parts;
    const { volume } = known.image;
    counters.count(FLATTENS_METRIC, { what: end.kind });
    switch (end.kind) {
      case 'in use':
      case 'snapshots':
      case 'open':
      case 'unfinished':
      case 'leased':
      case 'old client':
        // The same for all volumes, as long as this process lives.
        if (end.kind === 'old client' && !this.#warned) log.warn({ volume }, OLD_CLIENT);
        this.#warned ||= end.kind === 'old client';
        this.#wait(known, end.kind);
        return;
      case 'unfit':
        log.warn({ volume }, 'a volume stands on a long chain, and its image is of a kind that Berth does not flatten');
        break;
      case 'flat':
        log.info({ volume }, 'a volume on a long chain stands alone now');
        if (end.parent === undefined) break;
        parentFree(known.cluster, end.parent.imageId);
        this.#lookAgain(known.cluster, end.parent);
    }
    this.#known.delete(keyOf(known.cluster, known.image));
  }

  /** What a volume stood on may have had no other snapshot, and be the end of its chain now. */
  #lookAgain(cluster: string, below: Omit<ToFlatten, 'volume'>): void {
    const known = this.#known.get(keyOf(cluster, below));
    if (known?.state === 'waiting' && known.for === 'snapshots') known.state = 'queued';
  }

  #wait(known: Known, what: WaitsFor): void {
    known.state = 'waiting';
    known.for = what;
    known.again = Date.now() + AGAIN_MS[what];
  }

  /** One timer, for the first of those that wait. */
  #wakeLater(): void {
    clearTimeout(this.#timer);
    const waiting = [...this.#known.values()].filter(({ state }) => state === 'waiting');
    if (this.#stopped || waiting.length === 0) return;
    const first = Math.min(...waiting.map(({ again }) => again));
    const wake = (): void => {
      for (const one of waiting) if (one.state === 'waiting' && one.again <= Date.now()) one.state = 'queued';
      this.#work();
    };
    this.#timer = setTimeout(wake, Math.max(first - Date.now(), LEAST_PAUSE_MS));
    // A socket keeps the process alive, not this timer.
    this.#timer.unref();
  }

  #states(): readonly (readonly [Record<string, string>, number])[] {
    const counts = new Map<string, number>();
    for (const known of this.#known.values()) {
      const state = known.state === 'waiting' ? (known.for ?? 'waiting') : known.state;
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
    return [...counts].map(([state, count]) => [{ state }, count] as const);
  }
}

/** Does nothing come of waiting for it? */
const isSettled = ({ state, for: reason }: Known): boolean => state === 'waiting' && NOT_TO_WAIT_FOR.includes(reason);
const LEAST_PAUSE_MS = 100;
const OLD_CLIENT = 'volumes stay on long chains: librbd overlooks data of parents; run an image with a newer Ceph';
const keyOf = (cluster: string, { pool, namespace, imageId }: Omit<ToFlatten, 'volume'>): string =>
  `${cluster}/${pool}/${namespace}/${imageId}`;
