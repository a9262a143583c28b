/** Which images a pod may name: the administrator's word for a pool, and no volume that CSI made, whatever it says. */
import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { Clusters } from '../../../../src/rbd/clusters.js';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { admitImage, type ImageNamed } from '../../../../src/volume/flexvolume/admit-image.js';
import { PV_NAME_KEY } from '../../../../src/volume/image/parameters.js';
import { VOLUME_KEY } from '../../../../src/volume/image/volume-record.js';
import { creation, memoryCluster, soon } from '../controller/memory-cluster.js';
import { createParts } from '../controller/use-case-parts.js';

const cluster = memoryCluster();

async function allow(flexVolume: object | undefined): Promise<void> {
  const settings = parse(await readFile(cluster.clustersFile, 'utf8')) as { clusters: { pools: object[] }[] };
  Object.assign(settings.clusters[0]!.pools[0]!, { flexVolume });
  await writeFile(cluster.clustersFile, stringify(settings));
}

const admit = (more: Partial<ImageNamed> = {}): Promise<void> => {
  const asked = { volume: 'c1/rbd/vm-1', allowHostMount: undefined, secrets: undefined, role: 'controller' } as const;
  // Without memory of what the file said before.
  const clusters = new Clusters(cluster.clustersFile);
  return admitImage({ rbd: cluster.rbd, clusters }, { ...asked, ...more }, soon());
};

describe('admitImage, an image of no claim', () => {
  it('its pool says nothing of FlexVolume: refused, with the line that an administrator would write', async () => {
    const line = 'flexVolume: { images: ["vm-1"] } beside the pool’s name';
    await expect(admit()).rejects.toMatchObject({ code: 'BERTH_FLEXVOLUME_IMAGE_REFUSED' });
    await expect(admit()).rejects.toThrow(line);
    const { flexVolume } = parse(line.slice(0, line.indexOf(' beside'))) as { flexVolume: object };
    await allow(flexVolume);
    await admit();
  });

  it.each([
    ['any', 'vm-1'],
    [['vm-1'], 'vm-1'],
    [['other', 'vm-*'], 'vm-1'],
    [['vm-*'], 'vm-'],
  ])('images are %j: %s is admitted, in each namespace of the pool', async (images, image) => {
    await allow({ images });
    await admit({ volume: `c1/rbd/${image}` });
    await admit({ volume: `c1/rbd/team/${image}` });
  });

  it.each([
    [['vm-1'], 'vm-10'],
    [['vm-*'], 'evil-vm-1'],
    [['vm.1'], 'vm-1'],
  ])('images are %j: %s is refused, with what is to be added', async (images, image) => {
    await allow({ images });
    const asked = admit({ volume: `c1/rbd/${image}` });
    await expect(asked).rejects.toMatchObject({ code: 'BERTH_FLEXVOLUME_IMAGE_REFUSED' });
    await expect(asked).rejects.toThrow(`"${image}" into flexVolume.images of that pool`);
  });

  it('another pool has the section: refused', async () => {
    await allow({ images: 'any' });
    await expect(admit({ volume: 'c1/fast/vm-1' })).rejects.toMatchObject({ code: 'BERTH_FLEXVOLUME_IMAGE_REFUSED' });
  });

  it('allowHostMount asked: refused unless the pool allows it', async () => {
    await allow({ images: 'any' });
    await admit({ allowHostMount: false });
    const asked = admit({ allowHostMount: true });
    await expect(asked).rejects.toMatchObject({ code: 'BERTH_FLEXVOLUME_HOST_MOUNT_REFUSED' });
    await expect(asked).rejects.toThrow('allowHostMount: true into flexVolume of pool rbd of cluster c1');
  });

  it('allowHostMount asked and allowed: admitted', async () => {
    await allow({ images: 'any', allowHostMount: true });
    await admit({ allowHostMount: true });
  });
});

describe('admitImage, an image that CSI made', () => {
  it('any image may be named: refused all the same, with its PersistentVolume', async () => {
    await allow({ images: 'any', allowHostMount: true });
    const parameters = { [PV_NAME_KEY]: 'pvc-1' };
    const { volume } = await createVolume(createParts(cluster), creation('v', { parameters }), soon());
    await expect(admit({ volume })).rejects.toMatchObject({ code: 'BERTH_FLEXVOLUME_CSI_VOLUME' });
    await expect(admit({ volume })).rejects.toThrow(/PersistentVolumeClaim that is bound to pvc-1$/);
    cluster.image('berth-v')!.metadata.delete(PV_NAME_KEY);
    await expect(admit({ volume })).rejects.toThrow(/bound to v$/);
    cluster.image('berth-v')!.metadata.delete(VOLUME_KEY);
    await admit({ volume });
  });

  it('its record cannot be read: refused', async () => {
    await allow({ images: 'any' });
    const { volume } = await createVolume(createParts(cluster), creation('v'), soon());
    cluster.image('berth-v')!.metadata.set(VOLUME_KEY, '{"version":9}');
    await expect(admit({ volume })).rejects.toMatchObject({ code: 'BERTH_RECORD_UNREADABLE' });
  });
});
