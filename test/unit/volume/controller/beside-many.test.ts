/** What calls ask of Ceph does not grow with the volumes that are there; a list asks for each of them once. */
import { expect, it } from 'vitest';
import { attachVolume } from '../../../../src/volume/controller/attach-volume.js';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { deleteVolume } from '../../../../src/volume/controller/delete/delete-volume.js';
import { detachVolume } from '../../../../src/volume/controller/detach/detach-volume.js';
import { listVolumes } from '../../../../src/volume/controller/list/list-volumes.js';
import { DEFAULT_FEATURES } from '../../../../src/volume/image/image-features.js';
import { VOLUME_KEY } from '../../../../src/volume/image/volume-record.js';
import { creation, GiB, memoryCluster, noSecrets, place, raw, soon } from './memory-cluster.js';
import { attachParts, createParts, deleteParts, detachParts, log } from './use-case-parts.js';

/** A tenth of what `npm run bench -- --scale` speaks of. */
const MANY = 5_000;

const cluster = memoryCluster();

async function fill(): Promise<void> {
  const spec = {
    ...{ sizeBytes: GiB, features: DEFAULT_FEATURES, objectSizeBytes: undefined, stripeUnitBytes: undefined },
    ...{ stripeCount: undefined, dataPool: undefined },
  };
  for (let n = 0; n < MANY; n += 1) {
    const name = `berth-${String(n).padStart(6, '0')}`;
    const record = JSON.stringify({ version: 1, name, created: '', shape: {} });
    await cluster.rbd.createImage(cluster.at(name), { ...spec, metadata: new Map([[VOLUME_KEY, record]]) }, soon());
  }
}

/** The operations of each call in a volume's life. */
async function life(name: string): Promise<Readonly<Record<string, readonly string[]>>> {
  const asked = async (call: Promise<unknown>): Promise<readonly string[]> => {
    await call;
    return cluster.rbd.calls.splice(0).map(({ operation }) => operation);
  };
  const about = { volume: `c1/rbd/berth-${name}`, node: 'n1', secrets: noSecrets };
  const purges = { begin: () => undefined };
  cluster.rbd.calls.length = 0;
  return {
    create: await asked(createVolume(createParts(cluster), creation(name), soon())),
    attach: await asked(attachVolume(attachParts(cluster), { ...about, capability: raw, readOnly: false }, soon())),
    detach: await asked(detachVolume(detachParts(cluster), about, soon())),
    delete: await asked(deleteVolume({ ...deleteParts(cluster), purges }, about.volume, noSecrets, soon())),
  };
}

it('create, attach, detach and delete ask no more beside 5,000 volumes than alone, a list once each', async () => {
  const about = { version: 1, bootId: 'b', driver: '0', mappers: [], seen: new Date().toISOString() } as const;
  await attachParts(cluster).nodes.register(place(), { ...about, node: 'n1' }, soon());
  // The first one also looks for the registry.
  await life('warm');
  const alone = await life('first');
  await fill();
  expect(await life('second')).toEqual(alone);
  const parts = { ...cluster, foreignImages: attachParts(cluster).foreignImages, log };
  let startingToken = '';
  let listed = 0;
  do {
    const { volumes, nextToken } = await listVolumes(parts, { maxEntries: 0, startingToken }, soon());
    listed += volumes.length;
    startingToken = nextToken;
  } while (startingToken !== '');
  expect(listed).toBe(MANY);
  expect(cluster.rbd.calls.filter(({ operation }) => operation === 'headById')).toHaveLength(MANY);
  expect(cluster.rbd.calls.length).toBeLessThan(MANY + 20);
});
