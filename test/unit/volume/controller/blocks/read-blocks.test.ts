/** Blocks of snapshots: which snapshots can be compared, and how the parts follow each other. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Deadline } from '../../../../../src/model/deadline.js';
import { formatSnapshotId } from '../../../../../src/model/snapshot/snapshot-id.js';
import type { ExtentBatch } from '../../../../../src/rbd/port/diff-port.js';
import { readBlocks, type ReadBlocksParts } from '../../../../../src/volume/controller/blocks/read-blocks.js';
import { Turns } from '../../../../../src/volume/controller/blocks/turns.js';
import { refused, spec } from '../../../../integration/rbd/port.contract.js';
import { memoryCluster, MiB } from '../memory-cluster.js';

const soon = (): Deadline => Deadline.after(10_000);
const cluster = memoryCluster();
let parts: ReadBlocksParts;
beforeEach(() => {
  const { rbd, clusters } = cluster;
  parts = { clusters, rbd, longWork: rbd, blockTurns: new Turns(1) };
});

/** Capacity, and from where to where, in MiB. */
async function read(base: string | undefined, target: string, startingOffset = 0n) {
  const asked = { base, target, startingOffset, secrets: undefined };
  const { capacityBytes, parts: found } = await readBlocks(parts, asked, soon());
  const ranges: [bigint, bigint][][] = [];
  for await (const part of found) ranges.push(part.map(({ from, to }) => [from / MiB, to / MiB]));
  return { capacity: capacityBytes / MiB, ranges };
}

/** A snapshot of ours before the first write, and one after it. */
async function cutTwice(image: string, features = spec().features): Promise<[string, string]> {
  const at = cluster.at(image);
  const imageId = await cluster.rbd.createImage(at, spec({ sizeBytes: 12n * MiB, features }), soon());
  const handle = (snapshotId: bigint): string =>
    formatSnapshotId({ cluster: 'c1', pool: 'rbd', namespace: '', imageId, snapshotId });
  const base = await cluster.rbd.createSnapshot(at, 'berth-snap-a', soon());
  cluster.image(image)!.written = true;
  return [handle(base), handle(await cluster.rbd.createSnapshot(at, 'berth-snap-b', soon()))];
}

describe('the blocks of a snapshot', () => {
  it('are what it has, or what changed since an earlier one, from the offset on', async () => {
    const [base, target] = await cutTwice('volume');
    expect(await read(base, target)).toEqual({ capacity: 12n, ranges: [[[0n, 4n]]] });
    expect(await read(undefined, target, MiB)).toEqual({ capacity: 12n, ranges: [[[1n, 4n]]] });
    expect(await read(undefined, base)).toEqual({ capacity: 12n, ranges: [[]] });
    expect(await read(base, target, 12n * MiB)).toEqual({ capacity: 12n, ranges: [] });
  });

  it('are refused for snapshots that cannot be compared, or are not there', async () => {
    const [base, target] = await cutTwice('volume');
    const [other] = await cutTwice('other');
    await refused(read(target, base), 'BERTH_BASE_UNFIT');
    await refused(read(target, target), 'BERTH_BASE_UNFIT');
    await refused(read(other, target), 'BERTH_BASE_UNFIT');
    for (const none of ['x', target.replace(/\d+$/, '4000000000'), target.replace('c1/', 'c2/')]) {
      await refused(read(none, target), 'BERTH_SNAPSHOT_NOT_FOUND');
      await refused(read(undefined, none), 'BERTH_SNAPSHOT_NOT_FOUND');
    }
    await cluster.rbd.createSnapshot(cluster.at('volume'), 'by-hand', soon());
    const [, , { id } = { id: 0n }] = (await cluster.rbd.snapshotsById(
      cluster.at('volume'),
      cluster.image('volume')!.id,
      soon(),
    ))!.snapshots;
    await refused(read(base, target.replace(/\d+$/, String(id))), 'BERTH_SNAPSHOT_NOT_FOUND');
  });

  it('are refused beyond its end, and where nobody tracked what changed', async () => {
    const [base, target] = await cutTwice('volume');
    for (const offset of [-1n, 12n * MiB + 1n]) await refused(read(base, target, offset), 'BERTH_OFFSET_OUT_OF_RANGE');
    const [before, after] = await cutTwice('untracked', ['layering']);
    await refused(read(before, after), 'BERTH_CHANGES_UNTRACKED');
    expect((await read(undefined, after)).ranges).toEqual([[[0n, 4n]]]);
  });

  it('come in parts, each begun when the one before was taken, with what may be lost told in its place', async () => {
    const [base, target] = await cutTwice('volume');
    const asked: bigint[] = [];
    const batch = (next: bigint | undefined, ...extents: bigint[]): ExtentBatch => ({
      extents: BigUint64Array.from(extents, (each) => each * MiB),
      next: next && next * MiB,
    });
    const batches = [batch(4n, 0n, 1n, 2n, 1n), batch(8n), batch(undefined, 8n, 1n)];
    const end = { sizeBytes: 12n * MiB, parentBytes: 0n };
    const longWork: ReadBlocksParts['longWork'] = {
      spanFacts: () =>
        Promise.resolve({ target: end, base: end, leastBytes: 7n * MiB, isTracked: true, tellsParents: true }),
      readExtents: (_at, _span, from) => {
        asked.push(from / MiB);
        return Promise.resolve(batches.shift());
      },
    };
    parts = { ...parts, longWork };
    const request = { base, target, startingOffset: 0n, secrets: undefined };
    const stream = (await readBlocks(parts, request, soon())).parts[Symbol.asyncIterator]();
    expect(asked).toEqual([]);
    const ranges = async () =>
      ((await stream.next()).value as { from: bigint; to: bigint }[]).map(({ from, to }) => [from / MiB, to / MiB]);
    expect(await ranges()).toEqual([
      [0n, 1n],
      [2n, 3n],
    ]);
    expect(asked).toEqual([0n]);
    expect(await ranges()).toEqual([[7n, 8n]]);
    expect(await ranges()).toEqual([[8n, 12n]]);
    expect(asked).toEqual([0n, 4n, 8n]);
    expect((await stream.next()).done).toBe(true);
  });
});
