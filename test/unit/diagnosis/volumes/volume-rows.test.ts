/** The state of each volume as one line says it, from what Ceph, the API and a node's journal have. */
import { expect, it } from 'vitest';
import { volumeRows, type VolumeSources, type VolumeState } from '../../../../src/diagnosis/volumes/volume-rows.js';
import type { JournalEntry } from '../../../../src/journal/entry.js';
import type { ApiAttachment } from '../../../../src/kube/volume-attachments.js';

const handle = 'c1/rbd/berth-v';
const image = {
  ...{ volume: handle, sizeBytes: 1024n, publishedNodes: [] as string[] },
  condition: { abnormal: false, message: '' },
};
const pv = { name: 'pv-1', uid: 'u', handle, claim: 'shop/data' };
const attachment: ApiAttachment = {
  ...{ name: 'va', uid: 'u', resourceVersion: '1', node: 'a', nodeId: 'a', pv: 'pv-1', inlineHandle: undefined },
  ...{ attached: true, grant: undefined, since: '', deletingSince: undefined, finalizers: [], error: undefined },
};
const entry: JournalEntry & { sizeBytes: bigint } = {
  ...({ version: 1, volume: handle, fsid: 'f', stagingPath: '/s', state: 'staged' } as const),
  ...({ mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false, flagsDigest: '', mapper: 'krbd' } as const),
  mapping: { mapper: 'krbd', device: '/dev/rbd0', readOnly: false },
  targets: { '/p': { readOnly: false, mode: 'SINGLE_NODE_WRITER', sandbox: 'kata' } },
  ...{ holdsRecord: false, since: '', sizeBytes: 2048n },
};
const controller: VolumeSources = {
  ...{
    images: [image],
    absent: new Set<string>(),
    volumes: [pv],
    attachments: [attachment],
    entries: [],
    nodeId: 'here',
  },
};
const states = (more: Partial<VolumeSources>) => volumeRows({ ...controller, ...more }).map(({ state }) => state);

it.each<[string, Partial<VolumeSources>, VolumeState]>([
  ['an attachment', {}, 'attached'],
  ['one that is not answered yet', { attachments: [{ ...attachment, attached: false }] }, 'attaching'],
  ['one that is to go', { attachments: [{ ...attachment, deletingSince: 'now' }] }, 'detaching'],
  ['a record alone', { attachments: [], images: [{ ...image, publishedNodes: ['b'] }] }, 'held'],
  ['nobody', { attachments: [] }, 'free'],
  ['an image that no PersistentVolume names', { attachments: [], volumes: [] }, 'no pv'],
  ['an image, without Kubernetes', { attachments: undefined, volumes: undefined }, 'free'],
  ['a PersistentVolume without an image', { images: [], absent: new Set([handle]) }, 'no image'],
  ['the same where Ceph did not say that it has none', { images: [] }, 'attached'],
  ['records that are not in order', { images: [{ ...image, condition: { abnormal: true, message: 'x' } }] }, 'look'],
  ['this node', { entries: [entry] }, 'staged'],
])('%s', (_, more, state) => {
  expect(states(more)).toEqual([state]);
});

it('of a node has device, sandbox and size, and the names of its journal, for that account may not list them', () => {
  const own = { images: undefined, volumes: undefined, attachments: undefined };
  const named = { ...entry, named: { claim: 'shop/data', pv: 'pv-1' } };
  expect(volumeRows({ ...controller, ...own, entries: [named] })).toMatchObject([{ claim: 'shop/data', pv: 'pv-1' }]);
  expect(volumeRows({ ...controller, ...own, entries: [entry] })).toEqual([
    {
      ...{ claim: undefined, pv: undefined, volume: handle, sizeBytes: 2048n, nodes: ['here'], device: '/dev/rbd0' },
      ...{ sandbox: 'kata', state: 'staged', says: '' },
    },
  ]);
});

it('are sorted by claim, those without one last', () => {
  const other = { ...pv, name: 'pv-2', handle: 'c1/rbd/berth-a', claim: 'a/a' };
  const images = [{ ...image, volume: 'c1/rbd/adopted' }, image, { ...image, volume: other.handle }];
  const rows = volumeRows({ ...controller, images, volumes: [pv, other] });
  expect(rows.map(({ claim }) => claim)).toEqual(['a/a', 'shop/data', undefined]);
});
