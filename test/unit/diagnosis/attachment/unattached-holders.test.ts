import { expect, it } from 'vitest';
import { findUnattached, type UnattachedApi } from '../../../../src/diagnosis/attachment/unattached-holders.js';
import type { ApiAttachment } from '../../../../src/kube/volume-attachments.js';
import { Deadline } from '../../../../src/model/deadline.js';

const NODES = 200;
const VOLUMES = 2_000;

const attachmentOf = (index: number): ApiAttachment => ({
  ...{ name: `va-${index}`, uid: `u-${index}`, resourceVersion: '1', node: `worker-${index % NODES}` },
  ...{ nodeId: undefined, pv: `pv-${index}`, inlineHandle: undefined, attached: true, since: undefined },
  ...{ deletingSince: undefined, finalizers: [], error: undefined, grant: undefined },
});

it('findUnattached, 2,000 attached holders on 200 nodes: each attachment is looked at once', async () => {
  let looked = 0;
  const indexes = Array.from({ length: VOLUMES }, (_, index) => index);
  const api = {
    list: () => Promise.resolve(indexes.map(attachmentOf)),
    volumeNamed: (name: string) => {
      looked += 1;
      return { name, uid: name, handle: `c1/rbd/${name.slice(3)}`, claim: undefined };
    },
  } as unknown as UnattachedApi;
  const ceph = {
    listHolders: () =>
      Promise.resolve(indexes.map((index) => ({ volume: `c1/rbd/${index}`, nodes: [`worker-${index % NODES}`] }))),
    readHolders: () => Promise.reject(new Error('all are attached')),
  };
  expect(await findUnattached(api, ceph, Deadline.after(60_000), () => undefined)).toEqual([]);
  expect(looked).toBe(VOLUMES);
});

const known = (change: Partial<ApiAttachment>): ApiAttachment => ({ ...attachmentOf(1), ...change });

it.each<[string, ApiAttachment, number]>([
  ['of this volume, by the name of the node', known({ node: 'n', pv: undefined, inlineHandle: 'c1/rbd/v' }), 0],
  ['of this volume, by the id of the node', known({ nodeId: 'n', pv: undefined, inlineHandle: 'c1/rbd/v' }), 0],
  ['whose PersistentVolume has gone', known({ node: 'n' }), 0],
  ['of another volume', known({ node: 'n', pv: undefined, inlineHandle: 'c1/rbd/w' }), 1],
  ['of another node', known({ pv: undefined, inlineHandle: 'c1/rbd/v' }), 1],
])('findUnattached, an attachment %s: %s unattached holders', async (_, attachment, unattached) => {
  const api = {
    list: () => Promise.resolve([attachment]),
    volumeNamed: () => undefined,
    volumeOf: () => undefined,
    nodeOf: () => Promise.resolve({ view: 'absent', csiNode: 'absent', nodeId: undefined, inUse: [] }),
  } as unknown as UnattachedApi;
  const ceph = {
    listHolders: () => Promise.resolve([{ volume: 'c1/rbd/v', nodes: ['n'] }]),
    readHolders: () => Promise.resolve('absent' as const),
  };
  expect(await findUnattached(api, ceph, Deadline.after(60_000), () => undefined)).toHaveLength(unattached);
});
