/** Every operation by its name: where it works and what it does there. */
import type { Deadline } from '../../../model/deadline.js';
import type { NamedImage } from '../../port/delete-port.js';
import type { PortOperation } from '../../port-operations.js';
import {
  addToBlocklist,
  listBlocklist as listBlocked,
  removeFromBlocklist as unlist,
  rightsMissing,
} from './blocklist.js';
import { readDemands } from './client-demands.js';
import { readHealth } from './connection/cluster-health.js';
import type { Connections } from './connections.js';
import { usersOf, watchersById } from './delete/image-users.js';
import { dropDeadEntry, readInterruptedCreate, readNamedAt } from './delete/half-image.js';
import { renameImage } from './delete/rename-image.js';
import { cutTogether } from './group/cut-together.js';
import { cloneOperations } from './clone/clone-operations.js';
import { readExtents } from './diff/read-extents.js';
import { readSpanFacts } from './diff/span-facts.js';
import { isEmpty } from './emptiness.js';
import { CephErrno, ENOENT } from '../ceph-errors.js';
import {
  exchangeMetadata,
  listRbdDirectory,
  readHead,
  readHeadById,
  readNameById,
  writeMetadata,
} from './image-header.js';
import {
  createImage,
  cutTo,
  finishInterruptedRemoval,
  inspect,
  interruptedRemovals,
  readStart,
  removeImage,
  resize,
  listWatchers,
  observeWatchers,
} from './images.js';
import {
  createObject,
  mustEqual,
  mustExist,
  readEntries,
  readPage,
  removeEntries,
  setEntries,
  unlessChanged,
  write,
} from './object-operation.js';
import type { ClusterConnection } from './cluster-connection.js';
import { openAhead } from './open/open-ahead.js';
import { withPool, specOf } from './open-pool.js';
import type { OnImage, OnImageId, OpenPool } from './open-pool.js';
import { identify, poolStats } from './pool-stats.js';
import { snapshotOperations } from './snapshot/snapshot-operations.js';
import { userOperations } from './users/user-operations.js';
import type { WireAccess, WireImage, WirePool, WorkerOperation } from '../worker-messages.js';

/** The port on the worker's side. */
export type WorkerOperations = { readonly [Op in PortOperation]: WorkerOperation<Op> };

/** The operations over these connections. */
export function createOperations(connections: Connections): WorkerOperations {
  const onImage = <T>(at: WireImage, deadline: Deadline, what: string, work: (place: OpenPool) => Promise<T>) =>
    withPool(connections, at, specOf(at, at.image), deadline, `${what} ${specOf(at, at.image)}`, work);
  const onImageId = <T>(
    at: WirePool,
    id: string,
    deadline: Deadline,
    what: string,
    work: (at: OpenPool) => Promise<T>,
  ) => withPool(connections, at, specOf(at, `id ${id}`), deadline, `${what} ${specOf(at, `id ${id}`)}`, work);
  const onHeader = <T>(at: WirePool, id: string, deadline: Deadline, work: (place: OpenPool) => Promise<T>) =>
    withPool(connections, at, specOf(at, `id ${id}`), deadline, `write metadata of ${specOf(at, id)}`, work);
  const onObject = <T>(at: WirePool, object: string, deadline: Deadline, work: (place: OpenPool) => Promise<T>) =>
    withPool(connections, at, undefined, deadline, `records ${specOf(at, object)}`, work);

  return {
    identify: (at, deadline) => connections.use(at, deadline, `identify cluster ${at.cluster}`, identify),
    poolStats: (at, deadline) =>
      connections.use(at.access, deadline, `statistics of pool ${at.pool}`, (link) => poolStats(link, at)),

    createImage: (at, spec, deadline) =>
      withPool(connections, at, undefined, deadline, `create ${specOf(at, at.image)}`, (place) =>
        createImage(place, at.image, spec),
      ),
    head: (at, deadline) => onImage(at, deadline, 'look at', (place) => readHead(place, at.image)),
    headById: (at, id, deadline) => onImageId(at, id, deadline, 'look at', (place) => readHeadById(place, id)),
    nameById: (at, id, deadline) => onImageId(at, id, deadline, 'look up', (place) => readName(place, id)),
    inspect: (at, deadline) => onImage(at, deadline, 'inspect', (place) => inspect(place, at.image)),
    isEmpty: (at, deadline) => onImage(at, deadline, 'look into', (place) => isEmpty(place, at.image)),
    readStart: (at, bytes, deadline) => onImage(at, deadline, 'read', (place) => readStart(place, at.image, bytes)),
    resize: (at, sizeBytes, deadline) => onImage(at, deadline, 'resize', (place) => resize(place, at.image, sizeBytes)),
    cutTo: (at, sizeBytes, deadline) => onImage(at, deadline, 'cut', (place) => cutTo(place, at.image, sizeBytes)),
    usersOf: (at, id, deadline) => onImage(at, deadline, 'look who uses', (place) => usersOf(place, at.image, id)),
    rename: (at, id, to, deadline) => onImage(at, deadline, 'rename', (place) => renameImage(place, id, at.image, to)),
    remove: (at, deadline) => onImage(at, deadline, 'remove', (place) => removeImage(place, at.image)),
    interruptedRemovals: (at, deadline) => onObject(at, 'rbd_trash', deadline, interruptedRemovals),
    finishInterruptedRemoval: (at, deadline) =>
      onImage(at, deadline, 'remove', (place) => finishInterruptedRemoval(place, at.image)),
    ...halfImageOperations(onImage),
    list: (at, after, max, deadline) => onObject(at, 'rbd_directory', deadline, (place) => list(place, after, max)),

    setMetadata: (at, id, entries, deadline) =>
      onHeader(at, id, deadline, (place) => writeMetadata(place, id, entries)),
    compareAndSet: (at, id, key, expected, next, deadline) =>
      onHeader(at, id, deadline, (place) => exchangeMetadata(place, id, key, expected, next)),

    ...watcherOperations(onImage, onImageId),
    ...diffOperations(connections),
    ...recordOperations(onObject),
    ...snapshotOperations(onImage, onImageId),
    ...cloneOperations(onImage, onHeader, (at, deadline, what, work) =>
      withPool(connections, at, undefined, deadline, what, work),
    ),
    cutTogether: (at, images, snapshot, deadline) =>
      connections.use(at, deadline, `take snapshot ${snapshot} of ${images.length} images`, (link) =>
        cutTogether(link, at, images, snapshot, deadline),
      ),
    ...userOperations(connections),
    ...monitorOperations(connections),
  };
}

/** For images of which only a name is there. */
const halfImageOperations = (
  onImage: OnImage,
): Pick<WorkerOperations, 'interruptedCreate' | 'dropDeadEntry' | 'namedAt'> => ({
  interruptedCreate: (at, deadline) =>
    onImage(at, deadline, 'look for', (place) => readInterruptedCreate(place, at.image)),
  dropDeadEntry: (at, id, deadline) =>
    onImage(at, deadline, 'drop the entry of', (place) => dropDeadEntry(place, at.image, id)),
  namedAt: (at, deadline) => onImage(at, deadline, 'look how old', (place) => readNamedAt(place, at.image)),
});

const watcherOperations = (
  onImage: OnImage,
  onImageId: OnImageId,
): Pick<WorkerOperations, 'watchers' | 'openAhead' | 'watchersById' | 'observeWatchers'> => ({
  watchers: (at, deadline) => onImage(at, deadline, 'list watchers of', (place) => listWatchers(place, at.image)),
  openAhead: (at, deadline) => onImage(at, deadline, 'open', (place) => openAhead(place, at.image)),
  watchersById: (at, id, deadline) =>
    onImageId(at, id, deadline, 'list watchers of', (place) => watchersById(place, id)),
  observeWatchers: (at, deadline) =>
    onImage(at, deadline, 'list watchers of', (place) => observeWatchers(place, at.image)),
});

const diffOperations = (connections: Connections): Pick<WorkerOperations, 'spanFacts' | 'readExtents'> => ({
  spanFacts: (at, span, deadline) =>
    withPool(connections, at, undefined, deadline, 'look at snapshots', (place) => readSpanFacts(place, span)),
  readExtents: (at, span, from, most, deadline) =>
    withPool(connections, at, undefined, deadline, 'list extents', (place) => readExtents(place, span, from, most)),
});

type OnObject = <T>(
  at: WirePool,
  object: string,
  deadline: Deadline,
  work: (place: OpenPool) => Promise<T>,
) => Promise<T>;

type RecordOperation = 'setRecords' | 'compareAndSetRecord' | 'getRecords' | 'listRecords' | 'removeRecords';

/** Those on objects of our own beside the images. */
function recordOperations(onObject: OnObject): Pick<WorkerOperations, RecordOperation> {
  return {
    setRecords: (at, object, entries, deadline) =>
      onObject(at, object, deadline, async (place) => {
        const { ceph } = place.link;
        if (entries.size > 0) await write(ceph, place.io, object, 'set records', [setEntries(ceph, entries)]);
      }),
    compareAndSetRecord: (at, object, key, expected, next, deadline) =>
      onObject(at, object, deadline, (place) => exchangeRecord(place, object, key, expected, next)),
    getRecords: (at, object, keys, deadline) =>
      onObject(at, object, deadline, (place) =>
        keys.length === 0
          ? Promise.resolve(new Map())
          : records(place, () => readEntries(place.link.ceph, place.io, object, keys)),
      ),
    listRecords: (at, object, after, max, deadline) =>
      onObject(at, object, deadline, (place) =>
        records(place, () => readPage(place.link.ceph, place.io, object, after, max)),
      ),
    removeRecords: (at, object, keys, deadline) =>
      onObject(at, object, deadline, (place) => forget(place, object, keys)),
  };
}

/** A pool that never had an image has no directory; a namespace has one from its creation. */
async function list(place: OpenPool, after: string, max: number): Promise<NamedImage[]> {
  try {
    return await listRbdDirectory(place, after, max);
  } catch (error) {
    if (place.at.namespace !== '' || !(error instanceof CephErrno) || !error.is(ENOENT)) throw error;
    await place.link.checkPool(place.at);
    return [];
  }
}

/** @throws BERTH_POOL_NOT_FOUND */
async function readName(place: OpenPool, id: string): Promise<string | undefined> {
  const name = await readNameById(place, id);
  if (name === undefined) await place.link.checkPool(place.at);
  return name;
}

type MonitorOperation =
  | ('blocklist' | 'unblocklist' | 'blocklisted' | 'blocklistRightsMissing')
  | ('clientDemands' | 'health');

function monitorOperations(connections: Connections): Pick<WorkerOperations, MonitorOperation> {
  const inCluster = <T>(at: WireAccess, deadline: Deadline, work: (link: ClusterConnection) => Promise<T>) =>
    connections.use(at, deadline, `monitors of ${at.cluster}`, work);
  return {
    blocklist: (at, instance, seconds, deadline) =>
      inCluster(at, deadline, (link) => addToBlocklist(link, instance, seconds)),
    unblocklist: (at, instance, deadline) => inCluster(at, deadline, (link) => unlist(link, instance)),
    blocklisted: (at, deadline) => inCluster(at, deadline, listBlocked),
    blocklistRightsMissing: (at, deadline) => inCluster(at, deadline, rightsMissing),
    clientDemands: (at, deadline) => inCluster(at, deadline, readDemands),
    health: (at, deadline) => inCluster(at, deadline, readHealth),
  };
}

/** One operation; the OSD takes an absent key for an empty value. */
async function exchangeRecord(
  { link: { ceph }, io }: OpenPool,
  object: string,
  key: string,
  expected = '',
  next = '',
): Promise<boolean> {
  const change = next === '' ? removeEntries(ceph, key) : setEntries(ceph, new Map([[key, next]]));
  return unlessChanged(() =>
    write(ceph, io, object, 'compare and set a record', [createObject(ceph), mustEqual(ceph, key, expected), change]),
  );
}

/** An object that is not there is not made by this. */
async function forget({ link, io, at }: OpenPool, object: string, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  const steps = [mustExist(link.ceph), removeEntries(link.ceph, ...keys)];
  try {
    await write(link.ceph, io, object, 'remove records', steps);
  } catch (error) {
    if (!(error instanceof CephErrno) || !error.is(ENOENT)) throw error;
    await link.checkPool(at);
  }
}

async function records(place: OpenPool, read: () => Promise<Map<string, string>>): Promise<Map<string, string>> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof CephErrno) || !error.is(ENOENT)) throw error;
    await place.link.checkPool(place.at);
    return new Map();
  }
}
