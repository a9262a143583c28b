/** API and image agree on a node that is lost, or pods have to end: told with the way out, and acted on by nobody. */
import { expect, it } from 'vitest';
import type { ApiNode } from '../../../../src/kube/volume-attachments.js';
import { judge } from '../../../../src/diagnosis/attachment/decide-attachment.js';
import type { AttachmentFacts, Reason } from '../../../../src/diagnosis/attachment/attachment-facts.js';

const old = '2026-01-01T00:00:00Z';
const volume = 'c1/rbd/berth-v';
const measure = { now: '2026-01-01T01:00:00Z', ageMs: 600_000, driver: 'rbd.csi.berth.dev' };
const ready = { bootId: 'b', ready: 'true', notReadySince: undefined, outOfService: false } as const;
const well: ApiNode = { view: ready, csiNode: 'registered', nodeId: 'a', inUse: [] };

function facts(node: Partial<ApiNode>, more: Partial<AttachmentFacts> = {}, deletingSince?: string): AttachmentFacts {
  const attachment = {
    ...{ name: 'csi-1', uid: 'u1', resourceVersion: '5', node: 'a', nodeId: 'a', pv: 'pv-1', inlineHandle: undefined },
    ...{ attached: true, grant: undefined, since: old, deletingSince, error: undefined, finalizers: [] },
  };
  const holders = [{ node: 'a', since: old, by: 'controller' }] as const;
  const image = { holders, elsewhere: [], mode: 'SINGLE_NODE_WRITER', watchers: ['10.0.0.1:0/5'], locks: '' };
  const named = { volume, nodeName: 'a', nodeId: 'a' };
  return { attachment, pv: 'present', ...named, node: { ...well, ...node }, image, ...more };
}
const mounted = { inUse: [volume] };

it.each<[string, AttachmentFacts, Reason, RegExp]>([
  [
    'a node that is gone',
    facts({ view: 'absent', csiNode: 'absent' }),
    'NodeGone',
    /both name a .*the API has no node a/,
  ],
  ['a node without CSINode', facts({ csiNode: 'absent' }), 'CsiNodeGone', /\(open at 10\.0\.0\.1:0\/5\)/],
  ['a node without our driver', facts({ csiNode: 'driverMissing' }), 'DriverGone', /see the pod of berth-node/],
  ['a node out of service', facts({ view: { ...ready, outOfService: true } }), 'NodeOutOfService', /fences the node/],
  [
    'a node that is not ready',
    facts({ view: { ...ready, ready: 'unknown', notReadySince: old } }),
    'NodeNotReady',
    /kubectl taint node a node\.kubernetes\.io\/out-of-service=nodeshutdown:NoExecute/,
  ],
  [
    'a deletion while named pods have it mounted',
    facts(mounted, { pods: ['shop/db-0', 'shop/db-1'] }, old),
    'StillMounted',
    /end its pods there: shop\/db-0, shop\/db-1$/,
  ],
  [
    'a deletion that a kubelet keeps mounted for no pod',
    facts(mounted, { pods: [] }, old),
    'StillMounted',
    /no pod of its claim is there.*berth unstage c1\/rbd\/berth-v/,
  ],
  [
    'a deletion of which nobody may say the pods',
    facts(mounted, { pods: { error: 'BERTH_KUBE_DENIED: list pods' } }, old),
    'StillMounted',
    /which they are is not known: BERTH_KUBE_DENIED/,
  ],
])('%s', (_, given, reason, says) => {
  const finding = judge(given, measure);
  expect(finding).toMatchObject({ reason, act: 'none' });
  expect(finding?.says).toMatch(says);
});

it('a node that is well, or of which nobody could say, is no finding', () => {
  expect(judge(facts({}), measure)).toBeUndefined();
  expect(judge(facts({ view: 'unknown', csiNode: 'unknown' }), measure)).toBeUndefined();
});
