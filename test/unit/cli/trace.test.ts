/**
 * `berth trace` and `berth attachments` over the API's stand-in and Ceph in memory: one page, one proof, and nothing
 * without it.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { release, stuckAttachments, type Release } from '../../../src/cli/attachments.js';
import { commandOf } from '../../../src/cli/command.js';
import { runCommand } from '../../../src/cli/run.js';
import { trace } from '../../../src/cli/trace.js';
import { NODES, PVS, soon, VAS } from '../../kube/ground.js';
import { FINALIZER, scene, VOLUME } from '../../kube/scene.js';

const at = scene();
const now = () => new Date();
const room = () => ({
  ...{ api: at.attachments, ceph: at.ceph, now },
  journal: () => Promise.resolve('staged at /staging as /dev/rbd0'),
});
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
    const page = await trace(room(), name);
    expect(field(page, 'claim')).toEqual(['shop/data']);
    expect(field(page, 'persistent volume')).toEqual(['pv-1']);
    expect(field(page, 'volume')).toEqual([VOLUME]);
    expect(field(page, 'volume attachment')[0]).toMatch(/^va-a: a, attached, made 2026/);
    expect(field(page, 'node')).toEqual(['a: ready, driver registered, its kubelet has the volume in use']);
    expect(field(page, 'holder record')[0]).toMatch(/^a since 2026.* by attach \(SINGLE_NODE_WRITER\)$/);
    expect(field(page, 'image open at')).toEqual(['10.0.0.1:0/5']);
    expect(field(page, 'journal, this node')).toEqual(['staged at /staging as /dev/rbd0']);
    expect(field(page, 'stuck')).toEqual(['no: API and image agree']);
  });

  it('says in one sentence why a deletion stays', async () => {
    await at.attach('a');
    at.va({ deleting: true });
    at.open();
    at.server.remove(NODES, 'a');
    const page = await trace(room(), 'shop/data');
    expect(field(page, 'stuck')).toEqual([
      'ImageStillOpen: VolumeAttachment va-a is to go since 2026-01-01T00:00:00Z, and its image is open ' +
        'at 10.0.0.1:0/5; the API has no node a',
    ]);
  });

  it('shows a holder that the API does not know', async () => {
    await at.attach('b');
    const page = await trace(room(), 'pv-1');
    expect(field(page, 'volume attachment')).toEqual(['none']);
    expect(field(page, 'node')).toEqual(['b: not in the API, no CSINode']);
    expect(field(page, 'stuck')[0]).toMatch(/^HeldInCephOnly: the image of c1\/rbd\/berth-v names b/);
  });

  it('tells of an image that is gone, a claim that is bound to nothing, and a name that nobody knows', async () => {
    at.va();
    at.room.rbd.image({ pool: 'rbd', namespace: '', image: 'berth-v' })!.watchers.length = 0;
    await at.room.rbd.remove(at.room.at('berth-v'), soon());
    expect(await trace(room(), VOLUME)).toContain('ImageGone');
    at.server.put('/api/v1/namespaces/shop/persistentvolumeclaims', { metadata: { name: 'new', namespace: 'shop' } });
    expect(await trace(room(), 'shop/new')).toContain('it has no volume yet');
    await expect(trace(room(), 'shop/none')).rejects.toThrow(
      /KUBE_NOT_FOUND: Kubernetes has no PersistentVolumeClaim shop\/none/,
    );
    await expect(trace(room(), 'pv-9')).rejects.toThrow(/KUBE_NOT_FOUND: Kubernetes has no PersistentVolume pv-9/);
  });

  it('shows what Ceph and the journal know where the account may not look at attachments', async () => {
    await at.attach('a');
    for (const one of ['persistentvolumes', 'volumeattachments']) at.server.denied.add(`list ${one}`);
    const page = await trace(room(), VOLUME);
    expect(field(page, 'volume attachment')[0]).toMatch(/^not known: BERTH_KUBE_DENIED/);
    expect(field(page, 'holder record')[0]).toMatch(/^a since/);
    expect(field(page, 'stuck')).toEqual([]);
  });

  it('works without Kubernetes for a handle, and says what it cannot know', async () => {
    await at.attach('a');
    const page = await trace({ ...room(), api: undefined }, VOLUME);
    expect(field(page, 'holder record')[0]).toMatch(/^a since/);
    expect(field(page, 'volume attachment')).toEqual(['not known: no Kubernetes API is configured']);
    await expect(trace({ ...room(), api: undefined }, 'shop/data')).rejects.toThrow(/BERTH_KUBE_OFF/);
  });
});

describe('berth attachments', () => {
  it('lists what is stuck and says so by its exit code', async () => {
    await at.attach('a');
    at.va();
    expect(await stuckAttachments(room())).toEqual({ text: '1 attachments, 0 stuck\n', exitCode: 0 });
    at.va({ deleting: true });
    const { text, exitCode } = await stuckAttachments(room());
    expect([text.split(':')[0], exitCode]).toEqual(['AttacherSilent', 2]);
  });

  it('needs Kubernetes', async () => {
    const command = commandOf(['attachments'])!;
    await expect(runCommand(command, { ...room(), api: undefined })).rejects.toThrow(
      /BERTH_KUBE_OFF: berth attachments/,
    );
  });
});

describe('berth attachments --release', () => {
  const wish: Release = { name: 'va-a', finalizer: undefined, volume: undefined, yes: true };
  const finalizers = () => at.server.find(VAS, 'va-a')?.metadata.finalizers;
  const refused = async (why: RegExp, more: Partial<Release> = {}) => {
    const before = finalizers();
    await expect(release(room(), { ...wish, ...more })).rejects.toThrow(why);
    expect(finalizers()).toEqual(before);
    expect(at.server.asked.filter(({ method }) => method === 'PATCH')).toEqual([]);
  };

  it('shows the proof and changes nothing without --yes', async () => {
    at.va({ deleting: true });
    const { text, exitCode } = await release(room(), { ...wish, yes: false });
    expect(text).toContain(`proof: the record of ${VOLUME} does not name a: a detach was proved before`);
    expect(text).toContain(`finalizer ${FINALIZER} would be lifted; nothing was changed`);
    expect(exitCode).toBe(2);
    expect(finalizers()).toEqual([FINALIZER]);
  });

  it('lifts the attacher’s finalizer where the image names the node no more, and the attachment goes', async () => {
    at.va({ deleting: true });
    expect((await release(room(), wish)).text).toContain('the attachment goes');
    expect(at.server.find(VAS, 'va-a')).toBeUndefined();
  });

  it('detaches first where the image still names the node and nobody has it open', async () => {
    await at.attach('a');
    at.va({ deleting: true });
    expect((await release(room(), { ...wish, yes: false })).text).toContain('none yet');
    expect(at.holders()).toEqual(['a']);
    expect((await release(room(), wish)).text).toContain('open nowhere and has been detached from a');
    expect(at.holders()).toEqual([]);
  });

  it('refuses while a client has the image open, held or not', async () => {
    at.va({ deleting: true });
    at.open();
    await refused(/RELEASE_UNPROVEN: .*open at 10\.0\.0\.1:0\/5, and nobody holds it/);
    await at.attach('a');
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

  it('needs the volume’s handle where its PersistentVolume is gone, and none against the API’s own', async () => {
    at.va({ deleting: true });
    await refused(/its volume is c1\/rbd\/berth-v, not c1\/rbd\/other/, { volume: 'c1/rbd/other' });
    at.server.remove(PVS, 'pv-1');
    await refused(/name its handle with --volume/);
    expect((await release(room(), { ...wish, volume: VOLUME })).text).toContain('the attachment goes');
  });

  it('lifts a foreign finalizer only where it is named', async () => {
    at.va({ deleting: true, finalizers: ['example.org/mine'] });
    await refused(/it has no finalizer external-attacher\/rbd-csi-berth-dev; it has example\.org\/mine/);
    expect((await release(room(), { ...wish, finalizer: 'example.org/mine' })).text).toContain('the attachment goes');
  });

  it('changes nothing where the attachment changed while the proof was made', async () => {
    await at.attach('a');
    at.va({ deleting: true });
    const ceph = {
      ...at.ceph,
      detach: async (...args: Parameters<typeof at.ceph.detach>) => {
        await at.ceph.detach(...args);
        at.va({ deleting: true });
      },
    };
    await expect(release({ ...room(), ceph }, wish)).rejects.toThrow(/BERTH_KUBE_CONFLICT/);
    expect(finalizers()).toEqual([FINALIZER]);
  });
});

describe('the command line', () => {
  it('is told apart from the driver’s own', () => {
    expect(commandOf(['--services', 'node'])).toBeUndefined();
    expect(commandOf(['doctor'])).toBeUndefined();
    expect(commandOf(['trace', 'a/b', '--kubernetes', '/k'])).toEqual({
      kind: 'trace',
      name: 'a/b',
      rest: ['--kubernetes', '/k'],
    });
    const args = ['attachments', '--services=node', '--release', 'va', '--yes', '--volume=c/p/i'];
    const release = { name: 'va', finalizer: undefined, volume: 'c/p/i', yes: true };
    expect(commandOf(args)).toEqual({ kind: 'attachments', release, rest: ['--services=node'] });
  });

  it.each([
    [['trace']],
    [['trace', '--json']],
    [['attachments', '--yes']],
    [['attachments', '--release']],
    [['attachments', '--release', '--yes']],
  ])('lacks something in %j', (args) => {
    expect(() => commandOf(args)).toThrow(/BERTH_CONFIG_INVALID/);
  });
});
