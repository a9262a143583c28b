/** A round over very many attachments: linear, in slices, and a silent cluster is asked once for all of its volumes. */
import { expect, it } from 'vitest';
import type { ApiAttachment } from '../../../src/kube/volume-attachments.js';
import { berthError } from '../../../src/model/errors.js';
import { createLog } from '../../../src/observe/log.js';
import { AttachmentReconciler, type AttachmentParts } from '../../../src/reconcile/attachment-reconciler.js';
import { mostATurn } from './most-a-turn.js';

const SINCE = '2026-01-01T00:00:00Z';
const attachment = (index: number, cluster: string): ApiAttachment => ({
  ...{ name: `va-${index}`, uid: `uid-${index}`, resourceVersion: '1', node: `n-${index % 100}` },
  ...{ nodeId: undefined, pv: undefined, inlineHandle: `${cluster}/rbd/v-${index}`, attached: true, grant: undefined },
  ...{ since: SINCE, deletingSince: undefined, finalizers: [], error: undefined },
});

function reconciler(
  all: readonly ApiAttachment[],
  ceph: AttachmentParts['ceph'],
  { announce = () => undefined }: Partial<Pick<AttachmentParts, 'announce'>> = {},
  more: Partial<AttachmentParts['api']> = {},
): AttachmentReconciler {
  const api = {
    driver: 'rbd.csi.berth.dev',
    isFresh: () => Promise.resolve(true),
    all: () => all,
    list: () => Promise.resolve(all),
    read: () => Promise.resolve(undefined),
    volumeNamed: () => undefined,
    volumeOf: () => undefined,
    ...more,
  } as unknown as AttachmentParts['api'];
  const parts = { api, ceph, detach: () => Promise.resolve(), announce };
  return new AttachmentReconciler(
    { ...parts, log: createLog('silent'), now: () => new Date('2026-01-02T00:00:00Z') },
    { everyMs: 1_000, ageMs: 60_000 },
  );
}

it('asks a cluster that is silent for as many volumes as at a time, and each volume of the other', async () => {
  const all = Array.from({ length: 2_000 }, (_, index) => attachment(index, index % 2 === 0 ? 'well' : 'silent'));
  const asked = { well: 0, silent: 0 };
  const ceph: AttachmentParts['ceph'] = {
    listHolders: () => Promise.resolve([]),
    readHolders: async (volume) => {
      const isSilent = volume.startsWith('silent/');
      asked[isSilent ? 'silent' : 'well'] += 1;
      await new Promise(setImmediate);
      if (isSilent) throw berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: 'silent', why: 'no monitor answers' });
      const node = `n-${Number(volume.split('-')[1]) % 100}`;
      const holder = { node, since: SINCE, by: 'controller' } as const;
      return { holders: [holder], elsewhere: [], mode: undefined, watchers: undefined, locks: undefined };
    },
  };
  expect(await reconciler(all, ceph).round()).toMatchObject({ attachments: 2_000, stuck: 0 });
  expect(asked.well).toBe(1_000);
  expect(asked.silent).toBeLessThanOrEqual(8);
});

it('of attachments that need no answer looks at a hundred at most before the event loop has its turn', async () => {
  const nothing = { listHolders: () => Promise.resolve([]), readHolders: () => Promise.reject(new Error('not asked')) };
  const longest = await mostATurn((seen) => {
    const all = Array.from({ length: 3_000 }, (_, index) => ({
      ...attachment(index, 'c'),
      // Too young to be looked at: nothing is waited for.
      get since() {
        seen();
        return '2026-01-02T00:00:00Z';
      },
    }));
    return reconciler(all, nothing).round();
  });
  expect(longest).toBeGreaterThan(1);
  expect(longest).toBeLessThanOrEqual(200);
});

it('that finds 2,000 stuck says so of a hundred at most before the event loop has its turn', async () => {
  const all = Array.from({ length: 2_000 }, (_, index) => ({ ...attachment(index, 'c'), deletingSince: SINCE }));
  const ceph: AttachmentParts['ceph'] = {
    listHolders: () => Promise.resolve([]),
    readHolders: () =>
      Promise.resolve({ holders: [], elsewhere: [], mode: undefined, watchers: undefined, locks: undefined }),
  };
  const more = {
    read: (name: string) => Promise.resolve(all[Number(name.slice('va-'.length))]),
    nodeOf: () => Promise.resolve({ view: 'absent', csiNode: 'absent', nodeId: undefined, inUse: [] } as const),
  };
  let stuck = 0;
  const longest = await mostATurn((seen) => {
    const announce = (): void => {
      stuck += 1;
      seen();
    };
    return reconciler(all, ceph, { announce }, more).round();
  });
  expect(stuck).toBe(2_000);
  expect(longest).toBeLessThanOrEqual(200);
});
