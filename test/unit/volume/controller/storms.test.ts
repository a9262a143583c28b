/** Very many calls of one kind at once: so many at a time, each for the price of one, and nothing is left behind. */
import { expect, it } from 'vitest';
import { HOLDER_KEY } from '../../../../src/attachment/holder-record.js';
import type { NodeState } from '../../../../src/attachment/node-state.js';
import type { RbdPort } from '../../../../src/rbd/port.js';
import { Counters } from '../../../../src/observe/metrics.js';
import { GentleSlices } from '../../../../src/volume/controller/delete/gentle-slices.js';
import { attachVolume } from '../../../../src/volume/controller/attach-volume.js';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { deleteVolume } from '../../../../src/volume/controller/delete/delete-volume.js';
import { Purges } from '../../../../src/volume/controller/delete/purges.js';
import { detachVolume } from '../../../../src/volume/controller/detach/detach-volume.js';
import { CallLines, CONTROLLER_WIDTHS } from '../../../../src/volume/operation/call-lines.js';
import { Operations } from '../../../../src/volume/operation/operations.js';
import type { ControllerSteps } from '../../../../src/volume/operation/steps.js';
import { creation, memoryCluster, noSecrets, place, raw, soon } from './memory-cluster.js';
import { createParts, deleteParts, detachParts, now } from './use-case-parts.js';

const cluster = memoryCluster();
const lines = () =>
  new Operations<ControllerSteps>({ children: false, turn: new CallLines({ widths: CONTROLLER_WIDTHS }).take });

/** Calls of one operation of Ceph, each a turn of the event loop: how many there were at a time. */
function watched(operation: 'rename' | 'blocklist' | 'cutTo'): () => number {
  let [running, most] = [0, 0];
  const { rbd } = cluster;
  const real = rbd[operation].bind(rbd) as (...given: readonly unknown[]) => Promise<unknown>;
  const counted = async (...given: readonly unknown[]): Promise<unknown> => {
    most = Math.max(most, (running += 1));
    try {
      await new Promise(setImmediate);
      return await real(...given);
    } finally {
      running -= 1;
    }
  };
  Object.assign(rbd, { [operation]: counted } as unknown as Partial<RbdPort>);
  return () => most;
}

it('500 deletes at once: eight at a time, each asks of Ceph what one does, all are purged, two at a time', async () => {
  const DELETES = 500;
  const names = Array.from({ length: DELETES + 1 }, (_, n) => `v${n}`);
  for (const name of names) await createVolume(createParts(cluster), creation(name), soon());
  const purging = {
    ...deleteParts(cluster),
    slices: new GentleSlices(() => Number.POSITIVE_INFINITY),
    counters: new Counters(),
    by: 'one',
    now,
  };
  const purges = new Purges(purging, 2);
  const parts = { ...deleteParts(cluster), operations: lines(), purges: { begin: () => undefined } };
  const handle = (name: string): string => `c1/rbd/berth-${name}`;
  cluster.rbd.calls.length = 0;
  await deleteVolume(parts, handle(names[DELETES]!), noSecrets, soon());
  const one = cluster.rbd.calls.splice(0).length;
  const renames = watched('rename');
  await Promise.all(names.slice(0, DELETES).map((name) => deleteVolume(parts, handle(name), noSecrets, soon())));
  expect(renames()).toBe(8);
  expect(cluster.rbd.calls.length).toBe(DELETES * one);
  const slices = watched('cutTo');
  await purges.round();
  await purges.idle();
  expect(slices()).toBeLessThanOrEqual(2);
  expect(await cluster.rbd.list(place(), '', 1_000, soon())).toEqual([]);
  await purges.stop();
});

it('a lost zone of 100 nodes: its clients are fenced sixteen at a time, and every volume is detached', async () => {
  const NODES = 100;
  const about = { version: 1, bootId: 'b', driver: '0', mappers: [], seen: new Date(0).toISOString() } as const;
  const state: NodeState = {
    bootId: 'b',
    ready: 'unknown',
    notReadySince: new Date(0).toISOString(),
    outOfService: true,
  };
  const nodeStates = { of: () => Promise.resolve(state) };
  const parts = { ...detachParts(cluster), operations: lines(), nodeStates };
  const all = Array.from({ length: NODES }, (_, n) => ({ volume: `c1/rbd/berth-z${n}`, node: `n${n}`, n }));
  for (const { volume, node, n } of all) {
    await createVolume(createParts(cluster), creation(`z${n}`), soon());
    await parts.nodes.register(place(), { ...about, node }, soon());
    const asked = { volume, node, capability: raw, readOnly: false, secrets: noSecrets };
    await attachVolume(parts, asked, soon());
    stagedBy(`berth-z${n}`, n);
  }
  const fences = watched('blocklist');
  await Promise.all(all.map(({ volume, node }) => detachVolume(parts, { volume, node, secrets: noSecrets }, soon())));
  expect(fences()).toBeGreaterThan(8);
  expect(fences()).toBeLessThanOrEqual(16);
  expect(cluster.rbd.blocked.size).toBe(NODES);
  expect(all.filter(({ n }) => cluster.image(`berth-z${n}`)!.metadata.has(HOLDER_KEY))).toEqual([]);
});

/** As the node writes it into the record, by a client of its own. */
function stagedBy(image: string, n: number): void {
  const { metadata } = cluster.image(image)!;
  const record = JSON.parse(metadata.get(HOLDER_KEY)!) as { holders: object[] };
  const clients = [{ address: `10.0.0.1:0/${n + 1}`, client: `client.${n + 1}` }];
  const staged = { state: 'staged', at: new Date(0).toISOString(), bootId: 'b', clients };
  metadata.set(
    HOLDER_KEY,
    JSON.stringify({ ...record, holders: record.holders.map((one) => ({ ...one, ...staged })) }),
  );
}
