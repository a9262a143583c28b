/** RbdPort in memory for unit tests of the rooms above: images, metadata, watchers, records, and failures on demand. */
import type { Deadline } from '../../src/model/deadline.js';
import { berthError } from '../../src/model/errors.js';
import { imageSpec, type ImageSpec } from '../../src/model/volume-id.js';
import { withIdentity } from '../../src/rbd/new-image.js';
import type { BlocklistRight, ImageRef, PoolRef, PoolStats, RbdPort, Watcher } from '../../src/rbd/port.js';
import {
  PORT_OPERATIONS,
  type PortAnswer,
  type PortArguments,
  type PortOperation,
} from '../../src/rbd/port-operations.js';
import {
  detailOf,
  emptyNamespace,
  exchange,
  headIn,
  headOf,
  namesIn,
  newImage,
  poolMissing,
  recordsIn,
  refuseFeatures,
  refuseUsed,
  usersIn,
  type MemoryImage,
  type Namespace,
} from './memory-image.js';
import { cutSnapshot, cutTogether, dropSnapshot, snapshotsOf } from './memory-snapshots.js';
import { allSnapshotsOf, extentsOf, spanFactsOf } from './memory-diff.js';
import { refuseLocked } from '../../src/rbd/image-lock.js';
import { changeMetadata, cloneHeadOf, cloneOf, copyUp, cutLink, forgetClone, isEmpty } from './memory-clones.js';
import { isUnwritten, parentExtents, parentOf, standAlone, trashSnapshot } from './memory-clones.js';
import { MemoryNames, type MemoryHalf } from './memory-names.js';
import { MemoryUsers, objectsOf } from './memory-users.js';

export type { MemoryImage };

const NO_DEMANDS = { leastRelease: 'jewel', movedPrimaries: [], v2Only: false } as const;

export class MemoryRbd implements RbdPort {
  /** Every call so far, in order, for tests that count. */
  readonly calls: { readonly operation: PortOperation; readonly what: string }[] = [];
  fsid = 'f51d0000-0000-4000-8000-000000000000';
  instance = '127.0.0.1:0/1';
  stats: PoolStats = { availableBytes: 1n << 40n, storedBytes: 0n };
  /** Instance -> until, ms since the epoch. */
  readonly blocked = new Map<string, number>();
  /** Images, as `pool/namespace/image`, of which a removal that was cut short has left something. */
  readonly cutShort = new Set<string>();
  readonly names = new MemoryNames();
  /** False as while monitors elect. */
  settled = true;
  rightsMissing: BlocklistRight[] = [];
  readonly #pools = new Map<string, Map<string, Namespace>>();
  readonly #failures: { readonly operation: PortOperation; readonly make: () => Error }[] = [];
  readonly users = new MemoryUsers();
  #nextId = 1;
  #closed = false;

  /** @param pools `pool` or `pool/namespace` */
  constructor(...pools: string[]) {
    for (const spec of pools) {
      const [pool = '', namespace = ''] = spec.split('/');
      const namespaces = this.#pools.get(pool) ?? new Map<string, Namespace>([['', emptyNamespace()]]);
      if (namespace !== '') namespaces.set(namespace, emptyNamespace());
      this.#pools.set(pool, namespaces);
    }
  }

  /** The next call of `operation` throws what `make` makes and does nothing; several of them queue up. */
  failNext(operation: PortOperation, make: () => Error): void {
    this.#failures.push({ operation, make });
  }

  /** The image behind the port's back. */
  image(at: ImageSpec): MemoryImage | undefined {
    return this.#pools.get(at.pool)?.get(at.namespace)?.images.get(at.image);
  }

  /** Take an image's header away behind the port's back, as if it had never had one or (`damaged`) lost it. */
  halve(at: ImageRef, left: MemoryHalf = 'name'): void {
    this.names.halve(imageSpec(at), this.#image(at).id, left);
    this.#pools.get(at.pool)?.get(at.namespace)?.images.delete(at.image);
  }

  identify = this.#operation('identify', () => ({ fsid: this.fsid, instance: this.instance }));

  createImage = this.#operation('createImage', (at, spec) => {
    refuseFeatures(spec.features);
    const { images } = this.#existing(at);
    if (spec.dataPool !== undefined && !this.#pools.has(spec.dataPool)) throw poolMissing(at, spec.dataPool);
    this.#takeName(at);
    const id = `${(this.#nextId++).toString(16)}0cafe`;
    images.set(at.image, newImage(id, spec, new Map(withIdentity(spec.metadata, { id, fsid: this.fsid }))));
    return id;
  });

  head = this.#operation('head', (at) => headIn(this.#namespace(at)?.images.get(at.image), this.fsid));

  headById = this.#operation('headById', (at, id) => headIn(this.#withId(at, id), this.fsid));

  inspect = this.#operation('inspect', (at) => detailOf(this.#image(at), this.fsid));

  isEmpty = this.#operation('isEmpty', (at) => isEmpty(this.#image(at)));
  isUnwritten = this.#operation('isUnwritten', (at) => isUnwritten(this.#image(at)));

  cloneImage = this.#operation('cloneImage', (at, from, spec) => {
    const { images } = this.#existing(at);
    if (spec.dataPool !== undefined && !this.#pools.has(spec.dataPool)) throw poolMissing(at, spec.dataPool);
    const source = this.#image({ ...at, ...from });
    this.#takeName(at);
    const clone = cloneOf(source, from, `${(this.#nextId++).toString(16)}0cafe`, spec);
    images.set(at.image, clone);
    return clone.id;
  });

  parentById = this.#operation('parentById', (at, id) => parentOf(this.#withId(at, id)));

  cloneById = this.#operation('cloneById', (at, id) => cloneHeadOf(this.#withId(at, id), this.fsid));

  cutById = this.#operation('cutById', (at, id, snapshot) => void cutSnapshot(this.#unlocked(at, id), snapshot));
  trashSnapshot = this.#operation('trashSnapshot', (at, id, snapshot) => trashSnapshot(this.#byId(at, id), snapshot));

  changeMetadata = this.#operation('changeMetadata', (at, id, change) =>
    changeMetadata(this.#byId(at, id).metadata, change),
  );

  parentExtents = this.#operation('parentExtents', (at, id, from) => parentExtents(this.#withId(at, id), from));
  copyUp = this.#operation('copyUp', (at, id, extents, known) => copyUp(this.#withId(at, id), extents, known));
  cutLink = this.#operation('cutLink', (at, id, known) => cutLink(this.#withId(at, id), known));
  forgetClone = this.#operation('forgetClone', (at, id, of) =>
    forgetClone(this.#withId(at, id), id, this.#withId({ ...at, ...of }, of.imageId), of),
  );

  readStart = this.#operation('readStart', (at, bytes) => {
    const { sizeBytes, start } = this.#image(at);
    const read = Buffer.alloc(Number(sizeBytes < BigInt(bytes) ? sizeBytes : BigInt(bytes)));
    start.copy(read);
    return read;
  });

  nameById = this.#operation(
    'nameById',
    (at, id) => [...(this.#namespace(at)?.images ?? [])].find(([, image]) => image.id === id)?.[0],
  );

  createSnapshot = this.#operation('createSnapshot', (at, snapshot) => cutSnapshot(this.#unlocked(at), snapshot));

  cutTogether = this.#operation('cutTogether', (access, images, name) =>
    cutTogether(images, (at) => this.#unlocked({ ...at, access }, at.imageId), name),
  );

  rollBack = this.#operation('rollBack', (at, snapshot) => this.#image(at).snapshots.includes(snapshot));

  removeSnapshot = this.#operation('removeSnapshot', (at, snapshot) => dropSnapshot(this.#unlocked(at), snapshot));

  removeSnapshotById = this.#operation('removeSnapshotById', (at, id, snapshot) =>
    dropSnapshot(this.#unlocked(at, id), snapshot),
  );

  snapshotById = this.#operation('snapshotById', (at, id, wanted) => {
    const image = this.#withId(at, id);
    const snapshot = image && snapshotsOf(image).find((one) => one.id === wanted);
    return image && snapshot && { head: headOf(image, this.fsid), snapshot };
  });

  snapshotsById = this.#operation('snapshotsById', (at, id) => allSnapshotsOf(this.#withId(at, id), this.fsid));

  spanFacts = this.#operation('spanFacts', (at, span) => spanFactsOf(this.#withId(at, span.imageId), span));

  readExtents = this.#operation('readExtents', (at, span, from) =>
    extentsOf(this.#withId(at, span.imageId), span, from),
  );

  resize = this.#operation('resize', (at, sizeBytes) => {
    const image = this.#image(at);
    if (sizeBytes < image.sizeBytes)
      throw berthError('BERTH_CEPH_ERROR', { what: `resize ${imageSpec(at)}`, why: 'EINVAL' });
    refuseLocked(at, image.locks);
    image.sizeBytes = sizeBytes;
  });

  cutTo = this.#operation('cutTo', (at, sizeBytes) => {
    const image = this.#image(at);
    refuseLocked(at, image.locks);
    image.sizeBytes = sizeBytes;
  });

  usersOf = this.#operation('usersOf', (at, id) => usersIn(at, this.#byId(at, id), this.blocked));

  rename = this.#operation('rename', (at, id, to) => {
    const { images } = this.#existing(at);
    const other = images.get(to);
    if (other !== undefined) {
      if (other.id !== id) throw berthError('BERTH_IMAGE_EXISTS', { image: imageSpec({ ...at, image: to }) });
      return true;
    }
    const image = images.get(at.image);
    if (image?.id !== id) return false;
    images.delete(at.image);
    images.set(to, image);
    return true;
  });

  finishInterruptedRemoval = this.#operation('finishInterruptedRemoval', (at) => this.cutShort.delete(imageSpec(at)));

  interruptedRemovals = this.#operation('interruptedRemovals', (at) =>
    [...this.cutShort]
      .filter((spec) => spec === imageSpec({ ...at, image: spec.split('/').at(-1) ?? '' }))
      .map((spec) => ({ name: spec.split('/').at(-1) ?? '', id: 'cut0cafe' })),
  );

  namedAt = this.#operation('namedAt', (at) => (this.#isTaken(at) ? this.names.written.get(imageSpec(at)) : undefined));

  interruptedCreate = this.#operation('interruptedCreate', (at) => this.names.idOfHalf(imageSpec(at)));
  dropDeadEntry = this.#operation('dropDeadEntry', (at, id) => this.names.dropDead(imageSpec(at), id));

  remove = this.#operation('remove', (at) => {
    const images = this.#namespace(at)?.images;
    if (this.names.dropHalf(imageSpec(at))) return true;
    const image = images?.get(at.image);
    if (image === undefined) return false;
    refuseUsed(at, image);
    standAlone(image);
    return images?.delete(at.image) ?? false;
  });

  list = this.#operation('list', (at, after, max) => namesIn(this.#existing(at).images, after, max));

  setMetadata = this.#operation('setMetadata', (at, id, entries) => {
    const { metadata } = this.#byId(at, id);
    for (const [key, value] of entries) metadata.set(key, value);
  });

  compareAndSet = this.#operation('compareAndSet', (at, id, key, expected, next) =>
    exchange(this.#byId(at, id).metadata, key, expected, next),
  );

  poolStats = this.#operation('poolStats', (at) => {
    this.#namespace(at);
    return this.stats;
  });

  setRecords = this.#operation('setRecords', (at, object, entries) => {
    const { records } = this.#existing(at);
    const omap = records.get(object) ?? new Map<string, string>();
    for (const [key, value] of entries) omap.set(key, value);
    records.set(object, omap);
  });

  compareAndSetRecord = this.#operation('compareAndSetRecord', (at, object, key, expected, next) => {
    const { records } = this.#existing(at);
    const omap = records.get(object) ?? new Map<string, string>();
    records.set(object, omap);
    return exchange(omap, key, expected, next);
  });

  getRecords = this.#operation('getRecords', (at, object, keys) => {
    const omap = this.#namespace(at)?.records.get(object) ?? new Map<string, string>();
    return new Map([...omap].filter(([key]) => keys.includes(key)));
  });

  listRecords = this.#operation('listRecords', (at, object, after, max) =>
    recordsIn(this.#namespace(at)?.records.get(object), after, max),
  );

  removeRecords = this.#operation('removeRecords', (at, object, keys) => {
    for (const key of keys) this.#namespace(at)?.records.get(object)?.delete(key);
  });

  watchers = this.#operation('watchers', (at) => this.#watching(at));

  openAhead = this.#operation('openAhead', (at) => void this.#watching(at));

  watchersById = this.#operation('watchersById', (at, id) => this.#unblocked(this.#byId(at, id)));

  observeWatchers = this.#operation('observeWatchers', (at) => {
    return { watchers: this.#watching(at), settled: this.settled };
  });

  objectsById = this.#operation('objectsById', (at, id) => objectsOf(this.#withId(at, id), at.pool));
  makeUser = this.#operation('makeUser', (access, user, caps) => this.users.make(access.user, user, caps));
  dropUser = this.#operation('dropUser', (access, user) => this.users.drop(access.user, user));

  blocklist = this.#operation('blocklist', (access, instance, seconds) => {
    if (this.rightsMissing.includes('add'))
      throw berthError('BERTH_CEPH_DENIED', { user: access.user, what: 'osd blocklist' });
    if (!this.blocked.has(instance)) this.blocked.set(instance, Date.now() + seconds * 1000);
  });

  unblocklist = this.#operation('unblocklist', (access, instance) => {
    if (this.rightsMissing.includes('rm'))
      throw berthError('BERTH_CEPH_DENIED', { user: access.user, what: 'osd blocklist' });
    this.blocked.delete(instance);
  });

  blocklisted = this.#operation('blocklisted', () =>
    [...this.blocked].map(([instance, until]) => ({ instance, until })),
  );

  clientDemands = this.#operation('clientDemands', () => NO_DEMANDS);

  /** What the monitors report. */
  healthNow: PortAnswer<'health'> = { status: 'HEALTH_OK', checks: [] };
  health = this.#operation('health', () => this.healthNow);

  blocklistRightsMissing = this.#operation('blocklistRightsMissing', () => [...this.rightsMissing]);

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  /**
   * A method of the port: counts the call, fails where a test wants it to, and else does `work`. Like the real one it
   * never answers in the same turn.
   */
  #operation<Op extends PortOperation>(
    operation: Op,
    work: (...given: PortArguments<Op>) => PortAnswer<Op>,
  ): RbdPort[Op] {
    const method = async (...all: [...PortArguments<Op>, Deadline]): Promise<PortAnswer<Op>> => {
      const given = all.slice(0, -1) as PortArguments<Op>;
      const deadline = all.at(-1) as Deadline;
      const what = PORT_OPERATIONS[operation].describe(...given);
      this.calls.push({ operation, what });
      await Promise.resolve();
      if (this.#closed) throw berthError('BERTH_SHUTTING_DOWN', {});
      if (deadline.expired) throw berthError('BERTH_DEADLINE', { what, ms: 0 });
      const index = this.#failures.findIndex((failure) => failure.operation === operation);
      const [failure] = index < 0 ? [] : this.#failures.splice(index, 1);
      if (failure !== undefined) throw failure.make();
      return work(...given);
    };
    return method as unknown as RbdPort[Op];
  }

  #watching = (at: ImageRef): readonly Watcher[] => this.#unblocked(this.#image(at));
  #unblocked = (image: MemoryImage): readonly Watcher[] =>
    image.watchers.filter(({ address }) => !this.blocked.has(address));

  #isTaken = (at: ImageRef): boolean => this.#existing(at).images.has(at.image) || this.names.isHalf(imageSpec(at));

  /** @throws BERTH_IMAGE_EXISTS */
  #takeName(at: ImageRef): void {
    if (this.#isTaken(at)) throw berthError('BERTH_IMAGE_EXISTS', { image: imageSpec(at) });
    this.names.write(imageSpec(at));
  }

  /** @throws BERTH_POOL_NOT_FOUND */
  #namespace(at: PoolRef): Namespace | undefined {
    const namespaces = this.#pools.get(at.pool);
    if (namespaces === undefined) throw poolMissing(at, at.pool);
    return namespaces.get(at.namespace);
  }

  /** @throws BERTH_POOL_NOT_FOUND, BERTH_NAMESPACE_NOT_FOUND */
  #existing(at: PoolRef): Namespace {
    const found = this.#namespace(at);
    if (found === undefined) throw berthError('BERTH_NAMESPACE_NOT_FOUND', { namespace: at.namespace, pool: at.pool });
    return found;
  }

  #image(at: ImageRef): MemoryImage {
    const image = this.#existing(at).images.get(at.image);
    if (image === undefined) throw berthError('BERTH_IMAGE_NOT_FOUND', { image: imageSpec(at) });
    return image;
  }

  #withId(at: PoolRef, id: string): MemoryImage | undefined {
    return [...(this.#namespace(at)?.images.values() ?? [])].find((one) => one.id === id);
  }

  #byId(at: PoolRef, id: string): MemoryImage {
    this.#existing(at);
    const image = this.#withId(at, id);
    if (image !== undefined) return image;
    throw berthError('BERTH_IMAGE_NOT_FOUND', { image: imageSpec({ ...at, image: `id ${id}` }) });
  }

  /** As librbd, which calls an image read-only beside somebody's lock. */
  #unlocked(at: PoolRef | ImageRef, id?: string): MemoryImage {
    const image = id === undefined ? this.#image(at as ImageRef) : this.#byId(at, id);
    refuseLocked({ ...at, image: id ?? (at as ImageRef).image }, image.locks);
    return image;
  }
}
