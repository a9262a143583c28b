/** Every operation of the port: an entry in the table, a method over librbd, handlers in the worker and the fake. */
import { expect, expectTypeOf, it, vi } from 'vitest';
import { Deadline } from '../../../src/model/deadline.js';
import { Secret } from '../../../src/model/secret.js';
import { createLog } from '../../../src/observe/log.js';
import { createLibrbd } from '../../../src/rbd/librbd/driver/librbd.js';
import { Supervisor } from '../../../src/rbd/librbd/driver/supervisor.js';
import type { WireAccess, WireArguments, WireImage, WirePool } from '../../../src/rbd/librbd/worker-messages.js';
import { Connections } from '../../../src/rbd/librbd/worker/connections.js';
import type { CephLibraries } from '../../../src/rbd/librbd/foreign/bindings.js';
import { Lanes } from '../../../src/rbd/librbd/worker/connection/lanes.js';
import { createOperations, type WorkerOperations } from '../../../src/rbd/librbd/worker/worker-operations.js';
import type { ImageRef, RbdPort } from '../../../src/rbd/port.js';
import {
  PORT_OPERATIONS,
  type PortArguments,
  type PortOperation,
  type PortOperations,
} from '../../../src/rbd/port-operations.js';
import { MemoryRbd } from '../../fakes/rbd-memory.js';

const access = { cluster: 'c', monitors: ['192.0.2.1'], user: 'u', key: new Secret('top secret') };
const at: ImageRef = { access, pool: 'p', namespace: 'n', image: 'i' };
const names = Object.keys(PORT_OPERATIONS).sort();

/** How every wait is described in errors, for these arguments. */
const DESCRIBED: Readonly<Record<PortOperation, readonly [said: string, ...others: readonly unknown[]]>> = {
  identify: ['connect to cluster c'],
  createImage: ['create image i', {}],
  head: ['look at image i'],
  headById: ['look at image id 1234', '1234'],
  nameById: ['look up the name of image id 1234', '1234'],
  inspect: ['inspect image i'],
  watchers: ['list watchers of i'],
  openAhead: ['open i'],
  watchersById: ['list watchers of image id 1234', '1234'],
  observeWatchers: ['list watchers of i'],
  usersOf: ['look who uses i', '1234'],
  rename: ['rename image i to j', '1234', 'j'],
  isEmpty: ['look into image i'],
  readStart: ['read image i', 4096],
  createSnapshot: ['take snapshot s of i', 's'],
  rollBack: ['roll i back to s', 's'],
  removeSnapshot: ['remove snapshot s of i', 's'],
  removeSnapshotById: ['remove snapshot 7 of image id 1234', '1234', 7n],
  snapshotById: ['look at snapshot 7 of image id 1234', '1234', 7n],
  snapshotsById: ['list snapshots of image id 1234', '1234'],
  cutTogether: ['take snapshot s of 2 images', [{}, {}], 's'],
  spanFacts: ['look at the snapshots of image id 1234', { imageId: '1234', base: 7n, target: 8n }],
  readExtents: ['list extents of image id 1234 at snapshot 8', { imageId: '1234', base: 7n, target: 8n }, 0n, 9],
  cloneImage: ['clone i from a@s', { pool: 'p', namespace: '', image: 'a', snapshot: 's' }, {}],
  parentById: ['look up the parent of image id 1234', '1234'],
  cloneById: ['look at clone id 1234', '1234'],
  cutById: ['take snapshot s of image id 1234', '1234', 's'],
  trashSnapshot: ['trash snapshot 7 of image id 1234', '1234', 7n],
  isUnwritten: ['look into image i'],
  changeMetadata: ['change metadata of image id 1234', '1234', {}],
  parentExtents: ['list what clone id 1234 has of its parent', '1234', 0n],
  copyUp: [
    'copy data of its parent into image id 1234',
    '1234',
    BigUint64Array.of(0n, 9n),
    { key: 'k', value: undefined },
    100,
  ],
  cutLink: ['let image id 1234 stand alone', '1234', { key: 'k', value: undefined }],
  forgetClone: [
    'let image id 5678 forget its clone 1234',
    '1234',
    { pool: 'p', namespace: '', imageId: '5678', snapshotId: 1n },
  ],
  resize: ['resize image i', 1n],
  cutTo: ['cut image i', 1n],
  remove: ['remove image i'],
  interruptedRemovals: ['list interrupted removals of pool p'],
  finishInterruptedRemoval: ['finish the removal of image i'],
  interruptedCreate: ['look for image i'],
  dropDeadEntry: ['free the name of image i', '1234'],
  namedAt: ['look how old image i is'],
  list: ['list images of pool p', 'after', 9],
  setMetadata: ['set metadata of image id 1234', '1234', new Map()],
  compareAndSet: ['set key of image id 1234', '1234', 'key', undefined, 'next'],
  poolStats: ['measure pool p'],
  setRecords: ['set records of object', 'object', new Map()],
  compareAndSetRecord: ['set key of object', 'object', 'key', undefined, 'next'],
  getRecords: ['read records of object', 'object', []],
  listRecords: ['list records of object', 'object', '', 9],
  removeRecords: ['remove records of object', 'object', []],
  objectsById: ['look where the objects of image id 1234 are', '1234'],
  makeUser: ['make user client.u2', 'u2', { mon: 'm', mgr: 'g', mds: 'd', osd: 'o' }],
  dropUser: ['remove user client.u2', 'u2'],
  blocklist: ['blocklist 10.0.0.7:0/1', '10.0.0.7:0/1', 60],
  unblocklist: ['take 10.0.0.7:0/1 off the blocklist', '10.0.0.7:0/1'],
  blocklisted: ['list the blocklist of c'],
  clientDemands: ['ask what c wants of its clients'],
  health: ['ask how c is'],
  blocklistRightsMissing: ['try the blocklist of c'],
};

const WIRE_ACCESS = { cluster: 'c', monitors: ['192.0.2.1'], user: 'u', key: 'top secret' };
const WIRE_POOL = { access: WIRE_ACCESS, pool: 'p', namespace: 'n' };
const WIRE = { cluster: WIRE_ACCESS, pool: WIRE_POOL, image: { ...WIRE_POOL, image: 'i' } } as const;

it.each(Object.entries(DESCRIBED) as [PortOperation, readonly [string, ...unknown[]]][])(
  '%s: goes to the worker by its name, with no more of the address than it needs, described as ever',
  async (op, [said, ...others]) => {
    const sent = vi.spyOn(Supervisor.prototype, 'call').mockResolvedValue('the answer');
    const port: Record<PortOperation, unknown> = createLibrbd({ log: createLog('silent'), workerPath: '/nonexistent' });
    const call = port[op] as (...given: unknown[]) => Promise<unknown>;
    const deadline = Deadline.after(1_000);
    const { at: worksAt } = PORT_OPERATIONS[op];
    expect(await call(worksAt === 'cluster' ? access : at, ...others, deadline)).toBe('the answer');
    expect(sent.mock.calls).toEqual([[op, [WIRE[worksAt], ...others], deadline, said]]);
    sent.mockRestore();
  },
);

it('the table, the port over librbd, the worker and the fake know the same operations', () => {
  const port = createLibrbd({ log: createLog('silent'), workerPath: '/nonexistent' });
  const workerOptions = { threads: 4, idleMs: 1, connectSeconds: 1, operationSeconds: 1, extraConf: {} };
  const connections = new Connections({} as CephLibraries, new Lanes(4), workerOptions);
  expect(Object.keys(DESCRIBED).sort()).toEqual(names);
  expect(Object.keys(port).sort()).toEqual([...names, 'close', 'workerPid', 'workerState'].sort());
  expect(Object.keys(createOperations(connections)).sort()).toEqual(names);
  expect(names.filter((name) => typeof new MemoryRbd('pool')[name as PortOperation] !== 'function')).toEqual([]);
});

it('types: an operation of the port without an entry or a handler, or at another address, does not compile', () => {
  expectTypeOf<keyof PortOperations | 'close'>().toEqualTypeOf<keyof RbdPort>();
  expectTypeOf<keyof WorkerOperations>().toEqualTypeOf<PortOperation>();
  expectTypeOf<PortOperations['identify']['at']>().toEqualTypeOf<'cluster'>();
  expectTypeOf<PortOperations['list']['at']>().toEqualTypeOf<'pool'>();
  expectTypeOf<PortOperations['head']['at']>().toEqualTypeOf<'image'>();
  expectTypeOf<PortArguments<'resize'>>().toEqualTypeOf<[at: ImageRef, sizeBytes: bigint]>();
  const { head, ...others } = PORT_OPERATIONS;
  // @ts-expect-error head is missing
  const incomplete: PortOperations = others;
  // @ts-expect-error head works at an image
  const elsewhere: PortOperations = { ...others, head: { ...head, at: 'pool' } };
  expect([incomplete, elsewhere]).toHaveLength(2);
});

it('types: an address crosses the border of processes as it is, but for its key', () => {
  expectTypeOf<WireAccess['key']>().toEqualTypeOf<string>();
  expectTypeOf<WireAccess['monitors']>().toEqualTypeOf<readonly string[]>();
  expectTypeOf<WirePool['access']>().toEqualTypeOf<WireAccess>();
  expectTypeOf<WireArguments<'resize'>>().toEqualTypeOf<[at: WireImage, sizeBytes: bigint]>();
  expectTypeOf<Parameters<WorkerOperations['list']>>().toEqualTypeOf<
    [at: WirePool, after: string, max: number, deadline: Deadline]
  >();
});
