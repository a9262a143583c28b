/**
 * The release of an attachment over the API's stand-in and Ceph in memory: one proof, what the command prints of it,
 * and nothing without it.
 */
import { describe, expect, it } from 'vitest';
import { printRelease } from '../../../src/cli/print-attachments.js';
import { releaseAttachment, type ReleaseParts, type ReleaseWish } from '../../../src/reconcile/release-attachment.js';
import { PVS, VAS } from '../../kube/api-fixture.js';
import { FINALIZER, attachmentFixture, VOLUME } from '../../kube/attachment-fixture.js';

const at = attachmentFixture();
const parts = (): ReleaseParts => ({ api: at.attachments, images: at.ceph, detach: at.detach });
const release = async (from: ReleaseParts, wish: ReleaseWish) => {
  const released = await releaseAttachment(from, wish);
  return { ...released, text: printRelease(released) };
};

describe('a release', () => {
  const wish: ReleaseWish = { name: 'va-a', finalizer: undefined, volume: undefined, yes: true };
  const finalizers = () => at.server.find(VAS, 'va-a')?.metadata.finalizers;
  const refused = async (why: RegExp, more: Partial<ReleaseWish> = {}) => {
    const before = finalizers();
    await expect(release(parts(), { ...wish, ...more })).rejects.toThrow(why);
    expect(finalizers()).toEqual(before);
    expect(at.server.asked.filter(({ method }) => method === 'PATCH')).toEqual([]);
  };

  it('shows the proof and changes nothing without --yes', async () => {
    at.va({ deleting: true });
    const { outcome, text } = await release(parts(), { ...wish, yes: false });
    expect(text).toContain(`proof: the record of ${VOLUME} does not name a: a detach was proved before`);
    expect(text).toContain(`finalizer ${FINALIZER} would be lifted; nothing was changed`);
    expect(outcome).toBe('shown');
    expect(finalizers()).toEqual([FINALIZER]);
  });

  it('lifts the attacher’s finalizer where the image names the node no more, and the attachment goes', async () => {
    at.va({ deleting: true });
    expect((await release(parts(), wish)).text).toContain('the attachment goes');
    expect(at.server.find(VAS, 'va-a')).toBeUndefined();
  });

  it('detaches first where the image still names the node and nobody has it open', async () => {
    await at.attach('a');
    at.va({ deleting: true });
    expect((await release(parts(), { ...wish, yes: false })).text).toContain('none yet');
    expect(at.holders()).toEqual(['a']);
    expect((await release(parts(), wish)).text).toContain('open nowhere and has been detached from a');
    expect(at.holders()).toEqual([]);
  });

  it('refuses while a client has the image open that nobody holds', async () => {
    at.va({ deleting: true });
    at.open();
    await refused(/RELEASE_UNPROVEN: .*open at 10\.0\.0\.1:0\/5, and nobody holds it/);
  });

  it('refuses while a client has the image open that the node holds', async () => {
    at.va({ deleting: true });
    await at.attach('a');
    at.open();
    await refused(/BERTH_DETACH_UNPROVEN/);
  });

  it('refuses while the kubelet of a healthy node has it mounted', async () => {
    at.va({ deleting: true });
    at.node('a', { inUse: [VOLUME] });
    await refused(/the kubelet of a lives and has it mounted/);
  });

  it('refuses an attachment that nobody asked to go, and one that is not ours or not there', async () => {
    at.va();
    await refused(/nobody has asked it to go/);
    await refused(/KUBE_NOT_FOUND/, { name: 'va-x' });
  });

  it('refuses where nothing is known of the node, or of the image', async () => {
    at.va({ deleting: true });
    at.server.denied.add('get nodes');
    await refused(/nothing is known of its node/);
    at.server.denied.clear();
    at.server.denied.add('get persistentvolumes');
    await refused(/PersistentVolume cannot be read/);
  });

  it('needs the volume’s handle where its PersistentVolume is gone, and takes none against the API’s own', async () => {
    at.va({ deleting: true });
    await refused(/its volume is c1\/rbd\/berth-v, not c1\/rbd\/other/, { volume: 'c1/rbd/other' });
    at.server.remove(PVS, 'pv-1');
    await refused(/name its handle with --volume/);
    expect((await release(parts(), { ...wish, volume: VOLUME })).text).toContain('the attachment goes');
  });

  it('lifts a foreign finalizer only where it is named', async () => {
    at.va({ deleting: true, finalizers: ['example.org/mine'] });
    await refused(/it has no finalizer external-attacher\/rbd-csi-berth-dev; it has example\.org\/mine/);
    expect((await release(parts(), { ...wish, finalizer: 'example.org/mine' })).text).toContain('the attachment goes');
  });

  it('changes nothing where the attachment changed while the proof was made', async () => {
    await at.attach('a');
    at.va({ deleting: true });
    const detach = async (...args: Parameters<typeof at.detach>): Promise<void> => {
      await at.detach(...args);
      at.va({ deleting: true });
    };
    await expect(release({ ...parts(), detach }, wish)).rejects.toThrow(/BERTH_KUBE_CONFLICT/);
    expect(finalizers()).toEqual([FINALIZER]);
  });
});
