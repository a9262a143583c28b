/** `berth trace` over the API's stand-in and Ceph in memory: what is gathered of a volume, and the page of it. */
import { beforeEach, describe, expect, it } from 'vitest';
import { printTrace } from '../../../../src/cli/print-trace.js';
import { traceVolume, type TraceParts } from '../../../../src/diagnosis/attachment/trace-volume.js';
import { NODES, soon } from '../../../kube/api-fixture.js';
import { attachmentFixture, VOLUME } from '../../../kube/attachment-fixture.js';

const at = attachmentFixture();
const now = () => new Date();
const parts = (): TraceParts => ({
  ...{ api: at.attachments, images: at.ceph, now },
  journal: () => Promise.resolve('staged at /staging as /dev/rbd0'),
});
const trace = async (from: TraceParts, name: string): Promise<string> =>
  printTrace(name, await traceVolume(from, name));
/** Undefined fields as a line of the page has them: after its name. */
const field = (page: string, name: string): string[] =>
  page.split('\n').flatMap((line) => (line.startsWith(name.padEnd(20)) ? [line.slice(20)] : []));

describe('berth trace', () => {
  beforeEach(() => at.claim());

  it.each(['shop/data', 'pv-1', VOLUME])('finds the volume by %s and shows the whole way', async (name) => {
    await at.attach('a');
    at.va();
    at.node('a', { inUse: [VOLUME] });
    at.open();
    const page = await trace(parts(), name);
    expect(field(page, 'claim')).toEqual(['shop/data']);
    expect(field(page, 'persistent volume')).toEqual(['pv-1']);
    expect(field(page, 'volume')).toEqual([VOLUME]);
    expect(field(page, 'volume attachment')[0]).toMatch(/^va-a: a, attached, made 2026/);
    expect(field(page, 'node')).toEqual(['a: ready, driver registered, its kubelet has the volume in use']);
    expect(field(page, 'holder record')[0]).toMatch(/^a since 2026.* by attach, granted \(SINGLE_NODE_WRITER\)$/);
    expect(field(page, 'image open at')).toEqual(['10.0.0.1:0/5']);
    expect(field(page, 'advisory lock')).toEqual(['none']);
    expect(field(page, 'journal, this node')).toEqual(['staged at /staging as /dev/rbd0']);
    expect(field(page, 'stuck')).toEqual(['no: API and image agree']);
  });

  it('says in one sentence why a deletion stays', async () => {
    await at.attach('a');
    at.va({ deleting: true });
    at.open();
    at.server.remove(NODES, 'a');
    const page = await trace(parts(), 'shop/data');
    expect(field(page, 'stuck')).toEqual([
      'ImageStillOpen: VolumeAttachment va-a is to go since 2026-01-01T00:00:00Z, and its image is open at ' +
        '10.0.0.1:0/5; the API has no node a',
    ]);
  });

  it('shows a holder that the API does not know', async () => {
    await at.attach('b');
    const page = await trace(parts(), 'pv-1');
    expect(field(page, 'volume attachment')).toEqual(['none']);
    expect(field(page, 'node')).toEqual(['b: not in the API, no CSINode']);
    expect(field(page, 'stuck')[0]).toMatch(/^HeldInCephOnly: the image of c1\/rbd\/berth-v names b/);
  });

  it('tells of an image that is gone, a claim that is bound to nothing, and a name that nobody knows', async () => {
    at.va();
    at.cluster.rbd.image({ pool: 'rbd', namespace: '', image: 'berth-v' })!.watchers.length = 0;
    await at.cluster.rbd.remove(at.cluster.at('berth-v'), soon());
    expect(await trace(parts(), VOLUME)).toContain('ImageGone');
    at.server.put('/api/v1/namespaces/shop/persistentvolumeclaims', { metadata: { name: 'new', namespace: 'shop' } });
    expect(await trace(parts(), 'shop/new')).toContain('it has no volume yet');
    await expect(trace(parts(), 'shop/none')).rejects.toThrow(
      /KUBE_NOT_FOUND: Kubernetes has no PersistentVolumeClaim shop\/none/,
    );
    await expect(trace(parts(), 'pv-9')).rejects.toThrow(/KUBE_NOT_FOUND: Kubernetes has no PersistentVolume pv-9/);
  });

  it('shows what Ceph and the journal know where the account may not look at attachments', async () => {
    await at.attach('a');
    for (const one of ['persistentvolumes', 'volumeattachments']) at.server.denied.add(`list ${one}`);
    const page = await trace(parts(), VOLUME);
    expect(field(page, 'volume attachment')[0]).toMatch(/^not known: BERTH_KUBE_DENIED/);
    expect(field(page, 'holder record')[0]).toMatch(/^a since/);
    expect(field(page, 'stuck')).toEqual([]);
  });

  it('works without Kubernetes for a handle, and says what it cannot know', async () => {
    await at.attach('a');
    const page = await trace({ ...parts(), api: undefined }, VOLUME);
    expect(field(page, 'holder record')[0]).toMatch(/^a since/);
    expect(field(page, 'volume attachment')).toEqual(['not known: no Kubernetes API is configured']);
    await expect(trace({ ...parts(), api: undefined }, 'shop/data')).rejects.toThrow(/BERTH_KUBE_OFF/);
  });
});
