/** `berth trace` over the API's stand-in and Ceph in memory: what it finds by which name, and the page of it. */
import { describe, expect, it, vi } from 'vitest';
import { printTrace } from '../../../../src/cli/trace/print-trace.js';
import { needsAttention, traceSubject } from '../../../../src/diagnosis/trace/trace-subject.js';
import type { TraceParts } from '../../../../src/diagnosis/trace/trace-volume.js';
import { berthError } from '../../../../src/model/errors.js';
import { NODES, PODS, PVCS, PVS, VAS } from '../../../kube/api-fixture.js';
import { DRIVER, OLD, VOLUME } from '../../../kube/attachment-fixture.js';
import { traceFixture } from '../../../kube/trace-fixture.js';
import { withoutAttachment } from './api-breaks.js';

const at = traceFixture();
const trace = async (name: string, more: Partial<TraceParts> = {}): Promise<string> =>
  printTrace(await traceSubject(at.parts(more), name));
/** The lines of the page by their name. */
const field = (page: string, name: string): string[] =>
  page.split('\n').flatMap((line) => (line.startsWith(name.padEnd(21)) ? [line.slice(21)] : []));

describe('berth trace', () => {
  it.each(['shop/data', 'pvc:shop/data', 'pv-1', 'pv:pv-1', VOLUME, 'image:rbd/berth-v', 'rbd/berth-v'])(
    'finds the volume by %s and shows the whole way',
    async (name) => {
      await at.journal();
      const page = await trace(name);
      expect(field(page, 'claim')).toEqual(['shop/data, Bound']);
      expect(field(page, 'persistent volume')).toEqual(['pv-1, Bound']);
      expect(field(page, 'volume')).toEqual([VOLUME]);
      expect(field(page, 'image')).toEqual(['1073741824 bytes, never formatted']);
      expect(field(page, 'snapshots')).toEqual(['none']);
      expect(field(page, 'volume attachment')[0]).toMatch(/^va-a: a, attached, made 2026/);
      expect(field(page, 'node')).toEqual(['a: ready, driver registered, its kubelet has the volume in use']);
      expect(field(page, 'holder record')[0]).toMatch(/^a since .* by attach, staged \(SINGLE_NODE_WRITER\)$/);
      expect(field(page, 'image open at')).toEqual(['10.0.0.1:0/5']);
      expect(field(page, 'advisory lock')).toEqual(['none']);
      expect(field(page, 'pod')).toEqual(['shop/db-0 on a, Running']);
      expect(field(page, 'broken')).toEqual(['nothing']);
    },
  );

  it('shows what this node has of it, and finds it by its device', async () => {
    await at.journal({ mapping: { mapper: 'krbd', device: '/dev/rbd987654', readOnly: false } });
    const page = await trace('/dev/rbd987654');
    expect(field(page, 'journal, this node')).toEqual(['staged since 2026-01-01T00:00:00Z']);
    expect(field(page, 'device')).toEqual(['/dev/rbd987654, gone']);
    expect(field(page, 'mounts')[0]).toMatch(/staging: nothing$/);
    await expect(trace('/dev/rbd1')).rejects.toThrow(/BERTH_VOLUME_NOT_AT_PATH/);
  });

  it('finds the volume of an object that a scrub named', async () => {
    const { id } = at.cluster.image('berth-v')!;
    for (const name of [
      `rbd_data.${id}.000000000000000a`,
      `rbd_data.7.${id}.0000000000000000`,
      `object:rbd_header.${id}`,
    ])
      expect(field(await trace(name), 'volume')).toEqual([VOLUME]);
    await expect(trace('rbd_data.ffff.0000000000000000')).rejects.toThrow(/BERTH_VOLUME_NOT_FOUND/);
  });

  it('of a text with names of objects says which of our volumes have them, with claim and pods', async () => {
    await at.journal();
    const { id } = at.cluster.image('berth-v')!;
    const names = [`rbd_data.${id}.000000000000000a`, `rbd_data.${id}.0000000000000001`, `rbd_header.${id}`];
    const scrub = `deep-scrub 1.5 1:a6dc390f:::${names[0]!}:head : on disk size (4096) does not match`;
    const json = JSON.stringify({ inconsistents: [names[1], names[0], names[2], 'rbd_data.ffff.0000000000000000'] });
    const found = await traceSubject(at.parts(), { text: `${scrub}\n${json}` });
    const page = printTrace(found);
    expect(field(page, 'volume')).toEqual([
      `${VOLUME}: ${names.join('; ')}; claim shop/data, pods shop/db-0 on a, Running; nothing is broken`,
    ]);
    expect(field(page, 'of no volume of ours')).toEqual(['rbd_data.ffff.0000000000000000']);
    const nothing = traceSubject(at.parts(), { text: 'HEALTH_OK' });
    await expect(nothing).rejects.toThrow(/BERTH_USAGE: the input: it names no object/);
  });

  it('of objects of several volumes lists the PersistentVolumes once', async () => {
    const list = vi.spyOn(at.attachments, 'listVolumes');
    const volumeOfImageId = (id: string) => Promise.resolve(`c1/rbd/berth-${id}`);
    const text = 'rbd_header.aa rbd_header.bb rbd_header.cc';
    const { traces } = await traceSubject({ ...at.parts(), volumeOfImageId }, { text });
    expect(traces.map(({ handle }) => handle)).toEqual(['c1/rbd/berth-aa', 'c1/rbd/berth-bb', 'c1/rbd/berth-cc']);
    expect(list).toHaveBeenCalledOnce();
  });

  it('of a pod shows each of its volumes, and says of another driver’s that it is none of ours', async () => {
    at.server.put(PVCS, { metadata: { name: 'nfs', namespace: 'shop' }, spec: { volumeName: 'pv-nfs' } });
    at.server.put(PVS, { metadata: { name: 'pv-nfs' }, spec: { csi: { driver: 'nfs', volumeHandle: 'x' } } });
    const claims = ['data', 'nfs'].map((claimName) => ({ persistentVolumeClaim: { claimName } }));
    at.pod({ spec: { nodeName: 'a', volumes: claims } });
    const found = await traceSubject(at.parts(), 'shop/db-0');
    const page = printTrace(found);
    expect(page).toMatch(
      /^pod +shop\/db-0 on a, Running\nnot traced +shop\/nfs: BERTH_VOLUME_NOT_FOUND.*another driver/,
    );
    expect(field(page, 'volume')).toEqual([VOLUME]);
    expect(needsAttention(found)).toBe(false);
  });

  it('of a node shows a line for each volume that is attached there', async () => {
    await at.journal();
    expect(await trace('node:a')).toBe(
      `node                 a: ready, driver registered\nvolume               ${VOLUME}: nothing is broken\n`,
    );
    at.server.remove(NODES, 'a');
    const found = await traceSubject(at.parts(), 'a');
    expect(printTrace(found)).toContain(`${VOLUME}: node: NodeGone`);
    expect(needsAttention(found)).toBe(true);
    await expect(trace('node:z')).rejects.toThrow(/KUBE_NOT_FOUND: Kubernetes has no node z/);
  });

  it('of a node asks once for all attachments and once for each image, and keeps the order of the node', async () => {
    const other = 'c1/rbd/gone';
    at.server.put(PVS, { metadata: { name: 'pv-2' }, spec: { csi: { driver: DRIVER, volumeHandle: other } } });
    at.server.put(VAS, {
      metadata: { name: 'va-z', creationTimestamp: OLD },
      spec: { attacher: DRIVER, nodeName: 'a', source: { persistentVolumeName: 'pv-2' } },
      status: { attached: true },
    });
    at.va({ node: 'b', attached: false });
    const [list, read] = [vi.spyOn(at.attachments, 'list'), vi.spyOn(at.ceph, 'readHolders')];
    // The first of them ends last.
    const readHolders: typeof at.ceph.readHolders = async (volume, watchers, deadline) => {
      if (volume === VOLUME) await expect.poll(() => read.mock.calls.some(([asked]) => asked === other)).toBe(true);
      return at.ceph.readHolders(volume, watchers, deadline);
    };
    const { traces } = await traceSubject(at.parts({ images: { ...at.ceph, readHolders } }), 'node:a');
    expect(traces.map(({ handle }) => handle)).toEqual([VOLUME, other]);
    expect(list).toHaveBeenCalledOnce();
    expect(read.mock.calls.map(([volume]) => volume).sort()).toEqual([VOLUME, other]);
  });

  it('names first what causes, then what suffers from it', async () => {
    at.server.remove(NODES, 'a');
    at.pod({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } });
    const page = await trace('shop/data');
    expect(field(page, 'broken')[0]).toMatch(/^node: NodeGone: /);
    expect(field(page, 'then')[0]).toMatch(/^pod: PodTerminating: /);
  });

  it('of names that nobody knows says which kind was looked for', async () => {
    await expect(trace('shop/none')).rejects.toThrow(
      /KUBE_NOT_FOUND: Kubernetes has no PersistentVolumeClaim shop\/none/,
    );
    await expect(trace('pv-9')).rejects.toThrow(/KUBE_NOT_FOUND: Kubernetes has no PersistentVolume pv-9/);
    await expect(trace('thing:x')).rejects.toThrow(/BERTH_USAGE: .*thing is none of pvc, pv, volume/);
    await expect(trace('volume:x')).rejects.toThrow(/BERTH_VOLUME_NOT_FOUND/);
  });

  it('of a PersistentVolume that is gone shows the attachment that still names it', async () => {
    at.server.remove(PVS, 'pv-1');
    at.va({ deleting: true });
    expect(field(await trace('pv-1'), 'broken')[0]).toMatch(/^persistent volume: PersistentVolumeGone/);
  });
});

describe('what berth trace cannot look at', () => {
  it('is named where the account may not, and is no fault for a node’s account', async () => {
    await at.journal();
    for (const one of ['list persistentvolumes', 'list volumeattachments', 'get persistentvolumeclaims'])
      at.server.denied.add(one);
    const page = await trace(VOLUME);
    expect(field(page, 'volume attachment')[0]).toMatch(/^not looked at: BERTH_KUBE_DENIED/);
    expect(field(page, 'holder record')[0]).toMatch(/^a since/);
    expect(field(page, 'broken')[0]).toBe(
      'nothing of what was looked at; not looked at: claim, persistent volume, node, volume attachment, pod',
    );
    for (const link of ['claim', 'pod']) expect(field(page, link)).toEqual([expect.stringMatching(/^not looked at: /)]);
    expect(needsAttention(await traceSubject(at.parts(), VOLUME))).toBe(true);
    expect(needsAttention(await traceSubject(at.parts({ isController: false }), VOLUME))).toBe(false);
  });

  it('whose PersistentVolume may not be listed is not said to have no claim and no attachment', async () => {
    await at.journal({ named: { claim: 'shop/data', pv: 'pv-1' } });
    at.server.denied.add('list persistentvolumes');
    const page = await trace(VOLUME);
    expect(field(page, 'volume attachment')).toEqual([expect.stringMatching(/^not looked at: BERTH_KUBE_DENIED/)]);
    expect(field(page, 'claim')).toEqual(['shop/data', expect.stringMatching(/^not looked at: /)]);
    expect(field(page, 'persistent volume')[0]).toBe('pv-1');
    expect(field(page, 'broken')[0]).toMatch(/^nothing of what was looked at/);
  });

  it('of a PersistentVolume that is listed and may not be read is found by its name all the same', async () => {
    await at.journal();
    at.server.denied.add('get persistentvolumes');
    const page = await trace(VOLUME);
    expect(field(page, 'claim')).toEqual(['shop/data']);
    expect(field(page, 'volume attachment')[0]).toMatch(/^va-a: a, attached/);
    expect(field(page, 'pod')).toEqual(['shop/db-0 on a, Running']);
    expect(field(page, 'broken')).toEqual(['nothing of what was looked at; not looked at: persistent volume']);
  });

  it('without Kubernetes is all but the image, and no fault', async () => {
    const parts = at.parts({ api: undefined });
    const page = printTrace(await traceSubject(parts, VOLUME));
    expect(field(page, 'holder record')[0]).toMatch(/^a since/);
    expect(field(page, 'volume attachment')[0]).toMatch(/^not looked at: BERTH_KUBE_OFF/);
    expect(field(page, 'claim')).toEqual([expect.stringMatching(/^not looked at: BERTH_KUBE_OFF/)]);
    expect(needsAttention(await traceSubject(parts, 'rbd/berth-v'))).toBe(false);
    await expect(traceSubject(parts, 'pvc:shop/data')).rejects.toThrow(/BERTH_KUBE_OFF/);
  });

  it('an image that cannot be read is a broken link, and its sentence comforts nobody', async () => {
    for (let i = 0; i < 4; i += 1)
      at.cluster.rbd.failNext('head', () => berthError('BERTH_DEADLINE', { what: 'connecting', ms: 5_000 }));
    const found = await traceSubject(at.parts({ api: undefined }), VOLUME);
    expect(field(printTrace(found), 'broken')).toEqual([
      `image: CephSilent: what Ceph has of ${VOLUME} is not known: BERTH_DEADLINE: connecting did not end in 5000 ms`,
    ]);
    expect(needsAttention(found)).toBe(true);
  });

  it('a controller’s journal is no journal that knows nothing', async () => {
    const here = { kind: 'no node', why: 'this is a controller' } as const;
    expect(field(await trace(VOLUME, { here: () => Promise.resolve(here) }), 'journal, this node')).toEqual([]);
    await at.journal({ volume: 'c1/rbd/berth-other' });
    at.staged({ state: 'released' });
    expect(field(await trace(VOLUME), 'journal, this node')).toEqual(['nothing of it']);
  });

  it.each(['no node', 'nothing'] as const)(
    'of what only another node knows (%s here) is named with who knows it, and is no fault',
    async (kind) => {
      const here = kind === 'no node' ? { kind, why: 'this is a controller' } : { kind };
      const parts = at.parts({ here: () => Promise.resolve(here), nodeId: 'b' });
      const found = await traceSubject(parts, 'shop/data');
      const page = printTrace(found);
      expect(field(page, 'journal')[0]).toMatch(/^not looked at: .*kubectl berth trace c1\/rbd\/berth-v --node a$/);
      for (const link of ['device', 'mounts', 'sandbox'])
        expect(field(page, link)).toEqual(['not looked at: as the journal']);
      expect(field(page, 'broken')).toEqual([
        'nothing of what was looked at; not looked at: journal, device, mounts, sandbox',
      ]);
      expect(needsAttention(found)).toBe(false);
    },
  );

  it('of a volume that no node has is nothing: nobody has a journal of it', async () => {
    withoutAttachment(at);
    at.server.remove(PODS, 'db-0');
    at.cluster.image('berth-v')!.metadata.delete('berth.dev/holder');
    at.cluster.image('berth-v')!.watchers.length = 0;
    const here = { kind: 'no node', why: 'this is a controller' } as const;
    const page = await trace('shop/data', { here: () => Promise.resolve(here) });
    expect(field(page, 'broken')).toEqual(['nothing']);
  });

  it('an API that is down is asked once, and leaves what Ceph knows', async () => {
    let asked = 0;
    const down = () => {
      asked += 1;
      return Promise.reject(berthError('BERTH_KUBE_UNREACHABLE', { server: '10.0.0.1:6443', why: 'ECONNREFUSED' }));
    };
    const attachments = Object.assign(Object.create(at.attachments) as typeof at.attachments, {
      listVolumes: down,
      list: down,
    });
    const { api } = at.parts();
    const found = await traceSubject(at.parts({ api: { ...api!, attachments } }), VOLUME);
    expect(asked).toBe(1);
    const page = printTrace(found);
    expect(field(page, 'volume attachment')[0]).toMatch(/^not looked at: BERTH_KUBE_UNREACHABLE: .*ECONNREFUSED/);
    expect(field(page, 'holder record')[0]).toMatch(/^a since/);
    expect(needsAttention(found)).toBe(true);
  });
});
