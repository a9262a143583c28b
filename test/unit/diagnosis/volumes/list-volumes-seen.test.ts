/** What `berth volumes` gathers, over the stand-in and Ceph in memory: an image that no list shows is asked for. */
import { beforeEach, describe, expect, it } from 'vitest';
import { listVolumesSeen, type VolumesSeen } from '../../../../src/diagnosis/volumes/list-volumes-seen.js';
import { HOLDER_KEY } from '../../../../src/attachment/holder-record.js';
import { VOLUME_KEY } from '../../../../src/volume/image/volume-record.js';
import { PVS } from '../../../kube/api-fixture.js';
import { attachmentFixture, DRIVER, VOLUME } from '../../../kube/attachment-fixture.js';
import { detachParts } from '../../volume/controller/use-case-parts.js';

const at = attachmentFixture();
beforeEach(() => at.server.remove(PVS, 'pv-1'));
const seen = (): Promise<VolumesSeen> =>
  listVolumesSeen({ list: detachParts(at.cluster), api: at.attachments, stateDirectory: undefined, nodeId: 'x' });
const pv = (name: string, volumeHandle: string): void =>
  void at.server.put(PVS, { metadata: { name }, spec: { csi: { driver: DRIVER, volumeHandle } } });

describe('a PersistentVolume whose image no list shows', () => {
  it('has none only where Ceph says so', async () => {
    pv('pv-1', VOLUME);
    pv('pv-2', 'c1/rbd/berth-gone');
    const { volumes, leftOut } = await seen();
    expect(volumes.map(({ pv, state }) => `${pv}: ${state}`).toSorted()).toEqual(['pv-1: free', 'pv-2: no image']);
    expect(leftOut).toEqual([]);
  });

  it('has it where the image is an adopted one, and is held by whom its record names', async () => {
    pv('pv-1', VOLUME);
    await at.attach('a');
    at.cluster.image('berth-v')!.metadata.delete(VOLUME_KEY);
    const { volumes, leftOut } = await seen();
    expect(volumes).toEqual([expect.objectContaining({ pv: 'pv-1', state: 'held', nodes: ['a'] })]);
    expect(leftOut).toEqual([]);
  });

  it('is told as not looked at where its pool is not listed any more, or its record cannot be read', async () => {
    pv('pv-1', VOLUME);
    pv('pv-2', 'c1/elsewhere/berth-v');
    at.cluster.image('berth-v')!.metadata.delete(VOLUME_KEY);
    at.cluster.image('berth-v')!.metadata.set(HOLDER_KEY, 'not JSON');
    const { volumes, leftOut } = await seen();
    expect(volumes.length).toBe(2);
    expect(volumes.filter(({ state }) => state === 'no image')).toEqual([]);
    expect(leftOut.toSorted()).toEqual([
      expect.stringMatching(/^c1\/elsewhere\/berth-v: BERTH_POOL_NOT_OURS: /),
      expect.stringMatching(/^c1\/rbd\/berth-v: BERTH_RECORD_UNREADABLE: /),
    ]);
  });
});
