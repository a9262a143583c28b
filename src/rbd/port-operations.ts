/**
 * The table of the port's operations: at what each of them works, and how a wait for it is described. All else that
 * carries a call to the worker, or lets a fake record it, is derived from this table and RbdPort.
 */
import type { Deadline } from '../model/deadline.js';
import type { ImageRef, PoolRef, RbdPort } from './port.js';

/** The name of an operation: every method of the port but the one that ends it. */
export type PortOperation = Exclude<keyof RbdPort, 'close'>;

/** What the operation is given, but its deadline; the first of it says where it works. */
export type PortArguments<Op extends PortOperation> =
  Parameters<RbdPort[Op]> extends [...infer Given, Deadline] ? Given : never;

export type PortAnswer<Op extends PortOperation> = Awaited<ReturnType<RbdPort[Op]>>;

/** How much of an address an operation needs: the parent sends no more of it to the worker. */
export type WorksAt = 'cluster' | 'pool' | 'image';

type WorksAtOf<Op extends PortOperation> = PortArguments<Op>[0] extends ImageRef
  ? 'image'
  : PortArguments<Op>[0] extends PoolRef
    ? 'pool'
    : 'cluster';

export type PortOperations = {
  readonly [Op in PortOperation]: {
    readonly at: WorksAtOf<Op>;
    /** What a caller waits for, as DEADLINE and BERTH_WORKER_DIED name it. */
    readonly describe: (...given: PortArguments<Op>) => string;
  };
};

export const PORT_OPERATIONS: PortOperations = {
  identify: { at: 'cluster', describe: ({ cluster }) => `connect to cluster ${cluster}` },

  createImage: { at: 'image', describe: ({ image }) => `create image ${image}` },
  head: { at: 'image', describe: ({ image }) => `look at image ${image}` },
  headById: { at: 'pool', describe: (_, id) => `look at image id ${id}` },
  nameById: { at: 'pool', describe: (_, id) => `look up the name of image id ${id}` },
  inspect: { at: 'image', describe: ({ image }) => `inspect image ${image}` },
  watchers: { at: 'image', describe: ({ image }) => `list watchers of ${image}` },
  openAhead: { at: 'image', describe: ({ image }) => `open ${image}` },
  watchersById: { at: 'pool', describe: (_, id) => `list watchers of image id ${id}` },
  observeWatchers: { at: 'image', describe: ({ image }) => `list watchers of ${image}` },
  usersOf: { at: 'image', describe: ({ image }) => `look who uses ${image}` },
  rename: { at: 'image', describe: ({ image }, _, to) => `rename image ${image} to ${to}` },
  isEmpty: { at: 'image', describe: ({ image }) => `look into image ${image}` },
  readStart: { at: 'image', describe: ({ image }) => `read image ${image}` },
  createSnapshot: { at: 'image', describe: ({ image }, snapshot) => `take snapshot ${snapshot} of ${image}` },
  rollBack: { at: 'image', describe: ({ image }, snapshot) => `roll ${image} back to ${snapshot}` },
  removeSnapshot: { at: 'image', describe: ({ image }, snapshot) => `remove snapshot ${snapshot} of ${image}` },
  removeSnapshotById: { at: 'pool', describe: (_, id, snapshot) => `remove snapshot ${snapshot} of image id ${id}` },
  snapshotById: { at: 'pool', describe: (_, id, snapshot) => `look at snapshot ${snapshot} of image id ${id}` },
  snapshotsById: { at: 'pool', describe: (_, id) => `list snapshots of image id ${id}` },
  cutTogether: {
    at: 'cluster',
    describe: (_, images, snapshot) => `take snapshot ${snapshot} of ${images.length} images`,
  },
  spanFacts: { at: 'pool', describe: (_, { imageId }) => `look at the snapshots of image id ${imageId}` },
  readExtents: {
    at: 'pool',
    describe: (_, { imageId, target }) => `list extents of image id ${imageId} at snapshot ${target}`,
  },
  cloneImage: { at: 'image', describe: ({ image }, from) => `clone ${image} from ${from.image}@${from.snapshot}` },
  parentById: { at: 'pool', describe: (_, id) => `look up the parent of image id ${id}` },
  cloneById: { at: 'pool', describe: (_, id) => `look at clone id ${id}` },
  cutById: { at: 'pool', describe: (_, id, snapshot) => `take snapshot ${snapshot} of image id ${id}` },
  trashSnapshot: { at: 'pool', describe: (_, id, snapshot) => `trash snapshot ${snapshot} of image id ${id}` },
  isUnwritten: { at: 'image', describe: ({ image }) => `look into image ${image}` },
  changeMetadata: { at: 'pool', describe: (_, id) => `change metadata of image id ${id}` },
  parentExtents: { at: 'pool', describe: (_, id) => `list what clone id ${id} has of its parent` },
  copyUp: { at: 'pool', describe: (_, id) => `copy data of its parent into image id ${id}` },
  cutLink: { at: 'pool', describe: (_, id) => `let image id ${id} stand alone` },
  forgetClone: { at: 'pool', describe: (_, id, { imageId }) => `let image id ${imageId} forget its clone ${id}` },
  resize: { at: 'image', describe: ({ image }) => `resize image ${image}` },
  cutTo: { at: 'image', describe: ({ image }) => `cut image ${image}` },
  remove: { at: 'image', describe: ({ image }) => `remove image ${image}` },
  interruptedRemovals: { at: 'pool', describe: ({ pool }) => `list interrupted removals of pool ${pool}` },
  finishInterruptedRemoval: { at: 'image', describe: ({ image }) => `finish the removal of image ${image}` },
  interruptedCreate: { at: 'image', describe: ({ image }) => `look for image ${image}` },
  dropDeadEntry: { at: 'image', describe: ({ image }) => `free the name of image ${image}` },
  namedAt: { at: 'image', describe: ({ image }) => `look how old image ${image} is` },
  list: { at: 'pool', describe: ({ pool }) => `list images of pool ${pool}` },

  setMetadata: { at: 'pool', describe: (_, id) => `set metadata of image id ${id}` },
  compareAndSet: { at: 'pool', describe: (_, id, key) => `set ${key} of image id ${id}` },

  poolStats: { at: 'pool', describe: ({ pool }) => `measure pool ${pool}` },

  setRecords: { at: 'pool', describe: (_, object) => `set records of ${object}` },
  compareAndSetRecord: { at: 'pool', describe: (_, object, key) => `set ${key} of ${object}` },
  getRecords: { at: 'pool', describe: (_, object) => `read records of ${object}` },
  listRecords: { at: 'pool', describe: (_, object) => `list records of ${object}` },
  removeRecords: { at: 'pool', describe: (_, object) => `remove records of ${object}` },

  objectsById: { at: 'pool', describe: (_, id) => `look where the objects of image id ${id} are` },
  makeUser: { at: 'cluster', describe: (_, user) => `make user client.${user}` },
  dropUser: { at: 'cluster', describe: (_, user) => `remove user client.${user}` },

  blocklist: { at: 'cluster', describe: (_, instance) => `blocklist ${instance}` },
  unblocklist: { at: 'cluster', describe: (_, instance) => `take ${instance} off the blocklist` },
  blocklisted: { at: 'cluster', describe: ({ cluster }) => `list the blocklist of ${cluster}` },
  clientDemands: { at: 'cluster', describe: ({ cluster }) => `ask what ${cluster} wants of its clients` },
  health: { at: 'cluster', describe: ({ cluster }) => `ask how ${cluster} is` },
  blocklistRightsMissing: { at: 'cluster', describe: ({ cluster }) => `try the blocklist of ${cluster}` },
};
