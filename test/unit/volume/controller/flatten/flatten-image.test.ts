/** One volume on a long chain is made to stand alone: what stops it, what a death at any act leaves, two at it. */
import { beforeEach, describe, expect, it } from 'vitest';
import { berthError } from '../../../../../src/model/errors.js';
import type { PoolRef, RbdPort } from '../../../../../src/rbd/port.js';
import type { PortOperation } from '../../../../../src/rbd/port-operations.js';
import { HOLDER_KEY } from '../../../../../src/attachment/holder-record.js';
import { VOLUME_KEY } from '../../../../../src/volume/image/volume-record.js';
import { attachVolume } from '../../../../../src/volume/controller/attach-volume.js';
import { deleteVolume } from '../../../../../src/volume/controller/delete/delete-volume.js';
import { CHAIN_LIMITS } from '../../../../../src/volume/controller/flatten/chain-depth.js';
import {
  flattenImage,
  type FlattenParts,
  type FlattenStep,
} from '../../../../../src/volume/controller/flatten/flatten-image.js';
import { enlist, LEASE_MS, readList } from '../../../../../src/volume/controller/flatten/flatten-list.js';
import { memoryCluster, mounted, NOW, noSecrets, place, soon } from '../memory-cluster.js';
import { attachParts, deleteParts } from '../use-case-parts.js';
import { longChain, type LongChain } from './long-chain.js';

const cluster = memoryCluster();
let chain: LongChain;
let registry: PoolRef;
let steps: FlattenStep[];
let atStep: (step: FlattenStep) => void;
let clock: number;

beforeEach(async () => {
  chain = await longChain(cluster, CHAIN_LIMITS.toFlatten);
  registry = await cluster.clusters.registry('c1', 'controller', soon());
  steps = [];
  atStep = () => undefined;
  clock = Date.parse(NOW);
  cluster.rbd.calls.length = 0;
});

const parts = (by = 'one', more: Partial<FlattenParts> = {}): FlattenParts => ({
  longWork: cluster.rbd,
  by,
  now: () => new Date(clock),
  limits: CHAIN_LIMITS,
  slices: { run: (_, work) => work(50) },
  stopped: () => false,
  urgent: () => false,
  pauseMs: 0,
  step: (step) => {
    steps.push(step);
    atStep(step);
  },
  progress: () => undefined,
  ...more,
});
const flatten = (by?: string, more?: Partial<FlattenParts>) =>
  flattenImage(parts(by, more), { registry, at: place(), image: chain.last });
const listed = () => readList(cluster.rbd, registry, soon());
const last = () => chain.images.at(-1)!;
const parent = () => chain.images.at(-2)!;
/** As after a flatten: all data is its own, and what it stood on has forgotten it and what was kept for it. */
async function standsAlone(): Promise<void> {
  expect(last()).toMatchObject({ standsOn: undefined, written: true });
  expect(parent().snapshots).toEqual([]);
  expect(await listed()).toEqual([]);
}
async function standsAsBefore(): Promise<void> {
  expect(last().standsOn).toMatchObject({ image: parent() });
  expect(parent().snapshots).toHaveLength(1);
  expect(await listed()).toHaveLength(1);
}
const attach = async (): Promise<void> => {
  const by = attachParts(cluster);
  const more = { version: 1, bootId: 'b', driver: '0', mappers: [], seen: new Date().toISOString() } as const;
  await by.nodes.register(place(), { node: 'a', ...more }, soon());
  const asked = { volume: chain.last.volume, node: 'a', capability: mounted, readOnly: false, secrets: noSecrets };
  await attachVolume(by, asked, soon());
};

describe('a volume on a long chain', () => {
  it('stands alone afterwards, and what it stood on has nothing left of it', async () => {
    expect(await flatten()).toMatchObject({ kind: 'flat', parent: { imageId: parent().id } });
    await standsAlone();
    const copying = ['copy slice', 'copy slice'];
    expect(cluster.rbd.calls.filter(({ operation }) => operation === 'parentExtents')).toHaveLength(1);
    const ending = ['note parent', 'cut link', 'forget clone', 'remove cut', 'strike off'];
    expect(steps).toEqual(['look', 'take lease', ...copying, ...ending]);
    expect(await flatten()).toEqual({ kind: 'gone' });
  });

  it('is left alone where a node may use it, from before or since it was begun', async () => {
    // The attach writes its record while a slice runs; what is copied by then is no harm.
    const longWork = seeing('copyUp', async (work) => {
      await attach();
      return work();
    });
    expect(await flatten('one', { longWork })).toEqual({ kind: 'in use' });
    expect(steps).not.toContain('cut link');
    expect(await flatten()).toEqual({ kind: 'in use' });
    await standsAsBefore();
  });

  it('keeps its link where a node takes it, or a snapshot is cut, in the moment before', async () => {
    atStep = (step) => {
      if (step === 'cut link') last().metadata.set(HOLDER_KEY, 'written by another');
    };
    expect(await flatten()).toEqual({ kind: 'in use' });
    last().metadata.delete(HOLDER_KEY);
    atStep = (step) => {
      if (step === 'cut link') last().snapshots.push('by hand');
    };
    expect(await flatten()).toEqual({ kind: 'snapshots' });
    await standsAsBefore();
    atStep = () => undefined;
    last().snapshots.pop();
    expect(await flatten()).toMatchObject({ kind: 'flat' });
    await standsAlone();
  });

  it('waits for whoever has its image open, for its snapshots, and for its create', async () => {
    last().watchers.push({ address: '10.0.0.9:0/1', client: 1n });
    expect(await flatten()).toEqual({ kind: 'open' });
    last().watchers.pop();
    last().snapshots.push('by hand');
    expect(await flatten()).toEqual({ kind: 'snapshots' });
    last().snapshots.pop();
    const record = last().metadata.get(VOLUME_KEY)!;
    last().metadata.delete(VOLUME_KEY);
    expect(await flatten()).toEqual({ kind: 'unfinished' });
    await standsAsBefore();
    last().metadata.set(VOLUME_KEY, record);
    expect(await flatten()).toMatchObject({ kind: 'flat' });
  });

  it('is off the list when it is deleted, on a long chain no more, or keeps its parent for ever', async () => {
    const {
      image: { id },
      snapshotId,
    } = parent().standsOn!;
    const fresh = async () => {
      await enlist(cluster.rbd, registry, chain.last, new Date(clock), soon());
      steps = [];
    };
    (last().spec.features as string[]).push('journaling');
    expect(await flatten()).toEqual({ kind: 'unfit' });
    expect(last().standsOn).toBeDefined();
    (last().spec.features as string[]).pop();
    expect(await listed()).toEqual([]);
    await fresh();
    const below = { pool: 'rbd', namespace: '', imageId: id, snapshotId };
    await cluster.rbd.cutLink(place(), parent().id, { key: 'none', value: undefined }, soon());
    expect(parent().standsOn).toBeDefined();
    parent().standsOn = undefined;
    await cluster.rbd.forgetClone(place(), parent().id, below, soon());
    expect(await flatten()).toEqual({ kind: 'shallow' });
    expect(await listed()).toEqual([]);
    await fresh();
    await deleteVolume(
      { ...deleteParts(cluster), purges: { begin: () => undefined } },
      chain.last.volume,
      noSecrets,
      soon(),
    );
    expect(await flatten()).toEqual({ kind: 'gone' });
    expect(await listed()).toEqual([]);
  });
});

const ACTS: readonly PortOperation[] = [
  ...(['getRecords', 'cloneById', 'compareAndSetRecord', 'headById', 'copyUp', 'cutLink'] as const),
  ...(['parentExtents'] as const),
  ...(['forgetClone', 'snapshotById', 'removeSnapshotById'] as const),
];

const died = (what: string): Error => berthError('BERTH_WORKER_DIED', { what, how: 'SIGKILL' });

/** The cluster as one sees it for whom something happens at each such operation. */
function seeing(operation: PortOperation, at: (work: () => Promise<unknown>) => Promise<unknown>): RbdPort {
  const work = cluster.rbd[operation] as (...given: unknown[]) => Promise<unknown>;
  return Object.assign(Object.create(cluster.rbd) as RbdPort, {
    [operation]: (...given: unknown[]) => at(() => work(...given)),
  });
}

describe('a controller that dies', () => {
  it.each(ACTS)('at any %s of it is followed by the next one, which ends it', async (operation) => {
    const count = async () => {
      cluster.rbd.calls.length = 0;
      await flatten('counted');
      return cluster.rbd.calls.filter((one) => one.operation === operation).length;
    };
    const times = await count();
    expect(times).toBeGreaterThan(0);
    for (let nth = 0; nth < times; nth += 1) {
      chain = await longChain(cluster, CHAIN_LIMITS.toFlatten);
      let left = nth;
      const dying = seeing(operation, (work) => (left-- === 0 ? Promise.reject(died(operation)) : work()));
      await expect(flatten('dying', { longWork: dying })).rejects.toThrow('BERTH_WORKER_DIED');
      clock += LEASE_MS + 1;
      expect(['flat', 'gone']).toContain((await flatten('next')).kind);
      await standsAlone();
    }
  });

  it('after the act, before it heard so, leaves the same', async () => {
    await flatten();
    for (const operation of ACTS) {
      chain = await longChain(cluster, CHAIN_LIMITS.toFlatten);
      const deaf = seeing(operation, async (work) => {
        await work();
        throw died(operation);
      });
      await expect(flatten('deaf', { longWork: deaf })).rejects.toThrow('BERTH_WORKER_DIED');
      clock += LEASE_MS + 1;
      expect(['flat', 'gone'], operation).toContain((await flatten('next')).kind);
      await standsAlone();
    }
  });
});

describe('two controllers', () => {
  it('leave an image to the one that began, until it is silent', async () => {
    let other: unknown;
    atStep = (step) => {
      if (step !== 'copy slice' || other !== undefined) return;
      atStep = () => undefined;
      other = flatten('two');
    };
    expect(await flatten('one', { stopped: () => steps.filter((step) => step === 'copy slice').length > 0 })).toEqual({
      kind: 'stopped',
    });
    expect(await other).toEqual({ kind: 'leased' });
    clock += LEASE_MS + 1;
    expect(await flatten('two')).toMatchObject({ kind: 'flat' });
    await standsAlone();
  });

  it('do no harm where both are at it, one of them after its lease', async () => {
    let late: Promise<unknown> | undefined;
    atStep = (step) => {
      if (step !== 'cut link' || late !== undefined) return;
      clock += LEASE_MS + 1;
      late = flatten('two');
    };
    const ends = [await flatten('one'), await late];
    for (const end of ends) expect(['flat', 'gone']).toContain((end as { kind: string }).kind);
    await standsAlone();
  });
});
