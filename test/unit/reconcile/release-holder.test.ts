/**
 * The release of a holder over the API's stand-in and Ceph in memory, without a VolumeAttachment: what is shown, what
 * is refused and why, and nothing without --yes.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { HOLDER_KEY, type Holder, type HolderRecord } from '../../../src/attachment/holder-record.js';
import { printHolder } from '../../../src/cli/print-attachments.js';
import { findStuckAttachments } from '../../../src/diagnosis/attachment/find-stuck.js';
import { releaseHolder, type HolderWish, type ReleaseHolderParts } from '../../../src/reconcile/release-holder.js';
import { proveDetach } from '../../../src/volume/controller/detach/prove-detach.js';
import { PVS, soon, VAS } from '../../kube/api-fixture.js';
import { attachmentFixture, DRIVER, VOLUME } from '../../kube/attachment-fixture.js';
import { place } from '../volume/controller/memory-cluster.js';
import { detachParts, now } from '../volume/controller/use-case-parts.js';

const at = attachmentFixture();
const CLIENT = { address: '10.0.0.1:0/42', client: 'client.42' };

const parts = (): ReleaseHolderParts => ({
  api: at.attachments,
  prove: (volume, node, deadline) =>
    proveDetach(detachParts(at.cluster), { volume, node, secrets: undefined, unasked: true }, deadline),
  detach: (volume, node, deadline) => at.detach(volume, node, deadline, true),
});
const release = async (wish: Partial<HolderWish> = {}, from = parts()): Promise<string> =>
  printHolder(await releaseHolder(from, { node: 'a', volume: VOLUME, yes: false, ...wish }));

/** Node `a` is in the record like this, as the release before wrote it where nobody had attached. */
function stuck(holder: Partial<Holder>): void {
  const mine: Holder = { node: 'a', since: '2026-01-01T00:00:00.000Z', by: 'node', ...holder };
  const record: HolderRecord = {
    ...{ version: 1, image: 'rbd/berth-v', mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false },
    holders: [mine],
  };
  at.cluster.image('berth-v')!.metadata.set(HOLDER_KEY, JSON.stringify(record));
}

/** Nobody vouches for the node by Kubernetes here; it speaks for itself. */
const heard = (bootId: string): Promise<void> =>
  detachParts(at.cluster).nodes.register(
    place(),
    { version: 1, node: 'a', bootId, driver: '0', mappers: [], seen: now().toISOString() },
    soon(),
  );

beforeEach(() => heard('boot'));

describe('a holder without a VolumeAttachment', () => {
  it.each<[string, Partial<Holder>, RegExp]>([
    ['that its node has given back', { by: 'controller', state: 'released' }, /proof: released by its node/],
    ['that never began', { by: 'controller', state: 'granted' }, /proof: its node never set out to map it/],
    [
      'that set out and has written nothing, on a node that lives',
      { state: 'staging', bootId: 'boot' },
      /proof: .*has written nothing, nobody asks for it there, and a stage that still runs fails before it writes/,
    ],
    ['of which an earlier Berth wrote no state', {}, /proof: nobody watches it, and no instance is recorded/],
  ])('%s is shown with its proof, and released by --yes', async (_what, holder, proof) => {
    stuck(holder);
    const shown = await release();
    expect(shown).toMatch(/^record: a since 2026-01-01T00:00:00.000Z by /);
    expect(shown).toContain('\nwatchers: ');
    expect(shown).toContain('\nnode: its state is not known, ');
    expect(shown).toMatch(proof);
    expect(shown).toContain('nothing was changed, --yes does it');
    expect(at.holders()).toEqual(['a']);
    expect(await release({ yes: true })).toContain(`a taken out of the record of ${VOLUME}`);
    expect(at.holders()).toEqual([]);
  });

  it('that was staged before its node was booted anew is fenced first, and the fence is shown', async () => {
    stuck({ state: 'staged', bootId: 'boot before', clients: [CLIENT], at: '2026-01-01T00:00:01.000Z' });
    const shown = await release();
    expect(shown).toContain(`its clients by the record: client.42 at ${CLIENT.address}`);
    expect(shown).toContain(`proof: to be fenced (${CLIENT.address}): its node was booted anew since`);
    expect(at.cluster.rbd.calls.filter(({ operation }) => operation === 'blocklist')).toEqual([]);
    await release({ yes: true });
    expect(at.holders()).toEqual([]);
    expect(at.cluster.rbd.calls.filter(({ operation }) => operation === 'blocklist')).toHaveLength(1);
  });

  it.each<[string, Partial<Holder>, RegExp]>([
    [
      'that is staged on a node that lives',
      { state: 'staged', bootId: 'boot', clients: [CLIENT] },
      /HOLDER_UNPROVEN: .*it is staged there and the node is alive .*watchers: nobody.*; the node unstages it/,
    ],
    [
      'whose image somebody has open',
      { state: 'staging', bootId: 'boot' },
      /HOLDER_UNPROVEN: .*open at client\.5 at 10\.0\.0\.1:0\/5, and no record says whose/,
    ],
  ])('%s is refused with the reason, also with --yes', async (what, holder, why) => {
    stuck(holder);
    if (what.includes('open')) at.open();
    for (const yes of [false, true]) await expect(release({ yes })).rejects.toThrow(why);
    expect(at.holders()).toEqual(['a']);
    expect(at.detaches).toEqual([]);
  });

  it('that the record does not name is nothing to do', async () => {
    expect(await release({ yes: true })).toBe(`nothing to do: the record of ${VOLUME} does not name a\n`);
    stuck({ node: 'b', state: 'released' });
    expect(await release({ yes: true })).toContain('does not name a');
    expect(at.holders()).toEqual(['b']);
  });

  it('is listed as stuck, and an attachment of another volume to its node does not ask for it', async () => {
    stuck({ state: 'staging', bootId: 'boot' });
    at.va();
    const other = at.server.find(VAS, 'va-a')!;
    at.server.put(VAS, {
      ...other,
      spec: { attacher: DRIVER, nodeName: 'a', source: { persistentVolumeName: 'pv-2' } },
    });
    const csi = { driver: DRIVER, volumeHandle: 'c1/rbd/berth-w' };
    at.server.put(PVS, { metadata: { name: 'pv-2' }, spec: { csi } });
    const { stuck: found } = await findStuckAttachments({ api: at.attachments, images: at.ceph, now });
    expect(found.map(({ reason }) => reason)).toContain('HeldInCephOnly');
    expect(await release({ yes: true })).toContain('taken out of the record');
  });

  it('is released without Kubernetes as well', async () => {
    stuck({ state: 'staging', bootId: 'boot' });
    expect(await release({ yes: true }, { ...parts(), api: undefined })).toContain('taken out of the record');
    expect(at.holders()).toEqual([]);
  });
});

describe('a holder for which somebody asks', () => {
  it.each<[string, () => void, RegExp]>([
    [
      'a VolumeAttachment',
      () => {
        at.va();
      },
      /HOLDER_WANTED: .*VolumeAttachment va-a asks for it/,
    ],
    [
      'a VolumeAttachment that is to go',
      () => {
        at.va({ deleting: true });
      },
      /HOLDER_WANTED: .*va-a is to go, and berth attachments --release va-a ends both/,
    ],
    [
      'its kubelet',
      () => {
        at.node('a', { inUse: [VOLUME] });
      },
      /HOLDER_WANTED: .*kubelet of that node has it mounted/,
    ],
  ])('is left to it: %s', async (_what, ask, why) => {
    stuck({ by: 'controller', state: 'granted' });
    ask();
    await expect(release({ yes: true })).rejects.toThrow(why);
    expect(at.holders()).toEqual(['a']);
  });
});
