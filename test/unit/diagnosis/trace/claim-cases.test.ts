/** Claims and PersistentVolumes that do not find each other, or do not go, in further ways than the table's. */
import { describe, expect, it } from 'vitest';
import { needsAttention, traceSubject } from '../../../../src/diagnosis/trace/trace-subject.js';
import { PODS, PVCS, PVS } from '../../../kube/api-fixture.js';
import { traceFixture } from '../../../kube/trace-fixture.js';
import { withoutAttachment } from './api-breaks.js';

const at = traceFixture();
const breaksOf = async (subject: string): Promise<string[]> => {
  const found = await traceSubject(at.parts(), subject);
  const { breaks } = found.traces[0]!;
  expect(needsAttention(found)).toBe(breaks.length > 0);
  return breaks.map(({ link, reason, says }) => `${link}: ${reason}: ${says}`);
};
/** A claim that names a PersistentVolume and is not bound to it. */
function waiting(): void {
  at.claimObject({ status: { phase: 'Pending' } });
  withoutAttachment(at);
  at.server.remove(PODS, 'db-0');
  at.cluster.image('berth-v')!.metadata.delete('berth.dev/holder');
  at.cluster.image('berth-v')!.watchers.length = 0;
}
const ownUid = (): string => at.server.find(PVCS, 'data')!.metadata.uid;
const reserve = (claimRef: unknown): void => at.change(PVS, 'pv-1', { spec: { claimRef } });

describe('a claim that names its PersistentVolume and is Pending', () => {
  it('is told why by the Event of the binder', async () => {
    waiting();
    reserve({ namespace: 'shop', name: 'data' });
    at.event(at.server.find(PVCS, 'data'), 'VolumeMismatch', 'requested PV is too small');
    for (const subject of ['shop/data', 'pv-1'])
      expect(await breaksOf(subject)).toEqual([
        'claim: ProvisioningFailed: shop/data, at 2026-01-01T00:00:00Z: requested PV is too small',
      ]);
  });

  it('and no Event tells why: the two do not fit', async () => {
    waiting();
    reserve(undefined);
    expect(await breaksOf('shop/data')).toEqual([expect.stringMatching(/^claim: ProvisioningFailed: .*does not fit/)]);
  });

  it('is being bound where the PersistentVolume is its own already', async () => {
    waiting();
    reserve({ namespace: 'shop', name: 'data', uid: ownUid() });
    expect(await breaksOf('shop/data')).toEqual([]);
  });

  it('waits for one that does not exist, and is not lost', async () => {
    waiting();
    at.server.remove(PVS, 'pv-1');
    expect(await breaksOf('shop/data')).toEqual([
      expect.stringMatching(/^claim: ProvisioningFailed: shop\/data waits for PersistentVolume pv-1.*does not exist/),
    ]);
  });

  it('never gets the advice to take the PersistentVolume from a claim that lives', async () => {
    waiting();
    at.server.put(PVCS, { metadata: { name: 'b', namespace: 'shop', uid: 'b' }, spec: { volumeName: 'pv-1' } });
    reserve({ namespace: 'shop', name: 'b', uid: 'b' });
    expect(await breaksOf('shop/data')).toEqual([
      'persistent volume: VolumeOfAnotherClaim: shop/data names PersistentVolume pv-1, which is shop/b’s; ' +
        'name another volume',
    ]);
  });
});

describe('a PersistentVolume that was released', () => {
  const released = (): void => {
    at.server.remove(PVCS, 'data');
    at.change(PVS, 'pv-1', { status: { phase: 'Released' } });
  };

  it('and whose delete fails is told with what csi-provisioner said, and not as one that goes next', async () => {
    released();
    at.event(at.server.find(PVS, 'pv-1'), 'VolumeFailedDelete', 'BERTH_IMAGE_IN_GROUP: in group g', 'default');
    expect(await breaksOf('pv-1')).toEqual([
      'persistent volume: VolumeFailed: PersistentVolume pv-1 was released and could not be deleted: ' +
        'BERTH_IMAGE_IN_GROUP: in group g',
    ]);
  });

  it('and is kept now is not one whose delete fails, whatever was told before', async () => {
    released();
    at.change(PVS, 'pv-1', { spec: { persistentVolumeReclaimPolicy: 'Retain' } });
    at.event(at.server.find(PVS, 'pv-1'), 'VolumeFailedDelete', 'BERTH_IMAGE_IN_GROUP: in group g', 'default');
    expect(await breaksOf('pv-1')).toEqual([expect.stringMatching(/^persistent volume: VolumeReleased: /)]);
  });

  it('and of which nothing is told goes next', async () => {
    released();
    expect(await breaksOf('pv-1')).toEqual([expect.stringMatching(/^claim: ClaimGone: .*deleted next$/)]);
  });
});
