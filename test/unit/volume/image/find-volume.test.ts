/** A volume is looked up while something else is asked of its place. */
import { expect, it } from 'vitest';
import { berthError } from '../../../../src/model/errors.js';
import { createVolume } from '../../../../src/volume/controller/create/create-volume.js';
import { mustFindVolumeBeside } from '../../../../src/volume/image/find-volume.js';
import { creation, memoryCluster, noSecrets, soon } from '../controller/memory-cluster.js';
import { createParts } from '../controller/use-case-parts.js';

const cluster = memoryCluster();
const asked = (volume: string) => ({ volume, role: 'controller', secrets: noSecrets }) as const;

it('a volume that is there: both answers, and neither waits for the other', async () => {
  await createVolume(createParts(cluster), creation('v'), soon());
  let answer = (): void => undefined;
  const other = new Promise<string>((resolve) => (answer = () => resolve('meanwhile')));
  const head: typeof cluster.rbd.head = (at, deadline) => {
    answer();
    return cluster.rbd.head(at, deadline);
  };
  const lookup = { clusters: cluster.clusters, rbd: { head } };
  const [found, meanwhile] = await mustFindVolumeBeside(lookup, asked('c1/rbd/berth-v'), () => other, soon());
  expect([found.volume, meanwhile]).toEqual(['c1/rbd/berth-v', 'meanwhile']);
});

it('a volume that is not there: that is the answer, whatever the other question came to', async () => {
  const refused = () => Promise.reject(berthError('BERTH_SHUTTING_DOWN', {}));
  for (const volume of ['c1/rbd/berth-none', 'elsewhere/rbd/berth-v']) {
    const looking = mustFindVolumeBeside(cluster, asked(volume), refused, soon());
    await expect(looking).rejects.toMatchObject({ code: 'BERTH_VOLUME_NOT_FOUND' });
  }
});
