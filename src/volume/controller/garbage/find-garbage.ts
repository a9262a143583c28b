/**
 * Looks for what nothing explains, through all places and records of every cluster, in slices: so that it takes
 * nobody's turn. Nothing is changed.
 */
import { Deadline } from '../../../model/deadline.js';
import { workThrough } from '../../../model/settle-all.js';
import { isClusterSilent } from '../../../rbd/cluster-silence.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { PoolRef, RbdPort } from '../../../rbd/port.js';
import type { NamedImage } from '../../../rbd/port/delete-port.js';
import { GROUPS_OBJECT } from '../group/group-record.js';
import { isDeletedName } from '../../image/image-name.js';
import type { ForeignImages } from '../list/foreign-images.js';
import { SNAPSHOT_NAMES_OBJECT } from '../snapshot/name-record.js';
import type { Garbage } from './garbage.js';
import { judgeImage, judgeTrash, type ImageGarbageParts } from './image-garbage.js';
import { askOrchestrator, type Knowledge, type KnowledgeParts } from './knowledge.js';
import type { KnownVolumes } from './known-volumes.js';
import { judgeUser, usersOf, type UserGarbageParts } from './user-garbage.js';
import { judgeGroup, judgeName, keysOf, type RecordGarbageParts } from './record-garbage.js';

export interface GarbageParts extends ImageGarbageParts, RecordGarbageParts, UserGarbageParts, KnowledgeParts {
  readonly clusters: ImageGarbageParts['clusters'] &
    RecordGarbageParts['clusters'] &
    UserGarbageParts['clusters'] &
    Pick<Clusters, 'pools'>;
  readonly rbd: ImageGarbageParts['rbd'] &
    RecordGarbageParts['rbd'] &
    UserGarbageParts['rbd'] &
    Pick<RbdPort, 'list' | 'interruptedRemovals'>;
  readonly longWork: ImageGarbageParts['longWork'];
  /** Those that a list has read and found to be none of ours are not read again. */
  readonly foreignImages: Pick<ForeignImages, 'knows'>;
}

export interface GarbageReport {
  readonly found: readonly Garbage[];
  /** What could not be looked at, and why: a sentence each. */
  readonly leftOut: readonly string[];
}

/** How long one question may take, in ms. */
const READ_MS = 30_000;
const REMOVE_MS = 180_000;
/** Names asked for at a time, and images looked at at a time. */
const NAMES = 1000;
const WIDTH = 8;

const soon = (): Deadline => Deadline.after(READ_MS);
const never = (): boolean => false;

/** @param stopped asked before each image: then the report lacks the rest, and says so */
export async function findGarbage(parts: GarbageParts, stopped: () => boolean = never): Promise<GarbageReport> {
  const search = new Search(parts, stopped);
  return search.run();
}

/** One search on its way. */
class Search {
  readonly #parts: GarbageParts;
  readonly #stopped: () => boolean;
  readonly #found: Garbage[] = [];
  readonly #leftOut = new Set<string>();
  /** Clusters that are not asked any more. */
  readonly #silent = new Set<string>();

  constructor(parts: GarbageParts, stopped: () => boolean) {
    this.#parts = parts;
    this.#stopped = stopped;
  }

  async run(): Promise<GarbageReport> {
    const { clusters } = this.#parts;
    const known = await askOrchestrator(this.#parts, (what) => this.#leftOut.add(what), soon);
    const places = await clusters.pools('controller');
    for (const place of places) await this.#at(place, nameOf(place), () => this.#searchPlace(place, known));
    for (const cluster of new Set(places.map(({ access }) => access.cluster))) {
      const [place] = places.filter(({ access }) => access.cluster === cluster);
      if (place !== undefined)
        await this.#at(place, `the records of ${cluster}`, () => this.#searchRecords(cluster, known));
    }
    if (this.#stopped()) this.#leftOut.add('the driver stops');
    return { found: this.#found, leftOut: [...this.#leftOut] };
  }

  async #searchPlace(place: PoolRef, known: Knowledge): Promise<void> {
    const { rbd, foreignImages } = this.#parts;
    const trash = await rbd.interruptedRemovals(place, soon());
    this.#add(...trash.map((one) => judgeTrash(this.#parts, place, one)));
    const look = (image: NamedImage): Promise<void> =>
      this.#at(place, `${nameOf(place)}/${image.name}`, async () => {
        this.#add(...(await judgeImage(this.#parts, place, image, known, soon())));
      });
    for (let after = ''; ; ) {
      const names = await rbd.list(place, after, NAMES, soon());
      const mayBeOurs = names.filter(({ name, id }) => isDeletedName(name) || !foreignImages.knows(place, id));
      await workThrough(mayBeOurs, WIDTH, look, () => this.#isOver(place));
      const last = names.at(-1)?.name;
      // A name that is no UTF-8 reads as another one, and would be given again for ever.
      if (last === undefined || last === after || names.length < NAMES || this.#isOver(place)) return;
      after = last;
    }
  }

  async #searchRecords(cluster: string, known: Knowledge): Promise<void> {
    const registry = await this.#parts.clusters.registry(cluster, 'controller', soon());
    await this.#judgeKeys(registry, GROUPS_OBJECT, (key) => judgeGroup(this.#parts, registry, key, known, soon()));
    await this.#judgeKeys(registry, SNAPSHOT_NAMES_OBJECT, (key) => judgeName(this.#parts, registry, key, soon()));
    for await (const user of usersOf(this.#parts).all(registry, soon)) {
      if (this.#isOver(registry)) return;
      const look = async (): Promise<void> => this.#add(await judgeUser(this.#parts, registry, user, soon()));
      await this.#at(registry, `the user of attach ${user.grant}`, look);
    }
  }

  async #judgeKeys(
    registry: PoolRef,
    object: string,
    judge: (key: string) => Promise<Garbage | undefined>,
  ): Promise<void> {
    for await (const key of keysOf(this.#parts.rbd, registry, object, soon)) {
      if (this.#isOver(registry)) return;
      await this.#at(registry, `${object} ${key}`, async () => this.#add(await judge(key)));
    }
  }

  #isOver({ access }: PoolRef): boolean {
    return this.#stopped() || this.#silent.has(access.cluster);
  }

  /** What fails is left out, and a cluster that does not answer is not asked again. */
  async #at(place: PoolRef, what: string, look: () => Promise<void>): Promise<void> {
    if (this.#isOver(place)) return;
    try {
      await look();
    } catch (error) {
      if (error instanceof Error && isClusterSilent(error)) this.#silent.add(place.access.cluster);
      this.#leftOut.add(`${what}: ${messageOf(error)}`);
    }
  }

  #add(...found: readonly (Garbage | undefined)[]): void {
    this.#found.push(...found.filter((one) => one !== undefined));
  }
}

const nameOf = ({ access, pool, namespace }: PoolRef): string =>
  [access.cluster, pool, ...(namespace === '' ? [] : [namespace])].join('/');

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What became of one piece: an error where it could not be removed. */
export interface Removed {
  readonly garbage: Garbage;
  readonly outcome: 'removed' | 'explained' | 'kept' | Error;
}

/**
 * Removes what can be, one after the other; each is looked at once more before. With the API asked anew: what has got a
 * PersistentVolume since stays.
 */
export async function removeGarbage(parts: GarbageParts, { found }: GarbageReport): Promise<readonly Removed[]> {
  const known = await parts.askVolumes(soon()).catch(() => undefined);
  const ends: Removed[] = [];
  for (const garbage of found) ends.push({ garbage, outcome: await outcomeOf(garbage, known) });
  return ends;
}

async function outcomeOf({ end }: Garbage, known: KnownVolumes | undefined): Promise<Removed['outcome']> {
  if ('keptBecause' in end) return 'kept';
  try {
    return (await end.remove(known, Deadline.after(REMOVE_MS))) ? 'removed' : 'explained';
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
