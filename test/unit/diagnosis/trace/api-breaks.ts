/** How links break that the API shows: claim, PersistentVolume, node, attachment, pod. Run by breaks.test.ts. */
import type { BreakReason } from '../../../../src/diagnosis/trace/links.js';
import { CSI_NODES, NODES, PODS, PVCS, PVS, VAS } from '../../../kube/api-fixture.js';
import { OLD } from '../../../kube/attachment-fixture.js';
import { CLASSES, type TraceFixture } from '../../../kube/trace-fixture.js';

/** The reason, how it is made, and what trace says of it. */
export type BreakRow = readonly [reason: BreakReason, breaks: () => unknown, says: RegExp];

const volumes = () => [{ name: 'd', persistentVolumeClaim: { claimName: 'data' } }];

/** An object without finalizers goes at once. */
export function withoutAttachment(at: TraceFixture): void {
  at.va({ finalizers: [] });
  at.server.remove(VAS, 'va-a');
  at.node('a');
}

export function apiBreaks(at: TraceFixture): readonly BreakRow[] {
  const claim = () => at.server.find(PVCS, 'data');
  const waiting = () => at.pod({ status: { phase: 'Pending' } });
  const unbound = (more: Record<string, unknown> = {}) => {
    at.server.remove(PVS, 'pv-1');
    withoutAttachment(at);
    at.server.remove(PODS, 'db-0');
    at.claimObject({ spec: { volumeName: undefined, ...more }, status: { phase: 'Pending' } });
  };
  return [
    ['NoClass', () => unbound({ storageClassName: '' }), /shop\/data names no StorageClass/],
    [
      'ClassMissing',
      () => {
        unbound();
        at.server.remove(CLASSES, 'fast');
      },
      /StorageClass fast of shop\/data does not exist/,
    ],
    [
      'ClassOfAnother',
      () => {
        unbound();
        at.storageClass({ provisioner: 'nfs.example.org' });
      },
      /is of nfs\.example\.org, not of/,
    ],
    [
      'WaitsForPod',
      () => {
        unbound();
        at.storageClass({ volumeBindingMode: 'WaitForFirstConsumer' });
      },
      /WaitForFirstConsumer; no pod uses it yet/,
    ],
    [
      'ProvisioningFailed',
      () => {
        unbound();
        at.event(claim(), 'ProvisioningFailed', 'rpc error: BERTH_POOL_NOT_FOUND: pool x');
      },
      /at 2026-01-01T00:00:00Z: rpc error: BERTH_POOL_NOT_FOUND: pool x/,
    ],
    ['ProvisionerSilent', () => unbound(), /nobody says why shop\/data has no volume; is csi-provisioner running/],
    [
      'ClaimTerminating',
      () => at.claimObject({ metadata: { deletionTimestamp: OLD } }),
      /the last of its pods: shop\/db-0/,
    ],
    ['ClaimGone', () => at.server.remove(PVCS, 'data'), /pv-1 is bound to shop\/data, which does not exist any more/],
    [
      'ClaimLost',
      () => {
        at.server.remove(PVS, 'pv-1');
        withoutAttachment(at);
      },
      /PersistentVolume pv-1, which does not exist/,
    ],
    [
      'VolumeOfAnotherClaim',
      () => at.claimObject({ metadata: { uid: 'another' } }),
      /was bound to another claim that was called shop\/data/,
    ],
    [
      'VolumeReleased',
      () => {
        at.server.remove(PVCS, 'data');
        at.change(PVS, 'pv-1', { spec: { persistentVolumeReclaimPolicy: 'Retain' }, status: { phase: 'Released' } });
      },
      /is kept because it says Retain/,
    ],
    [
      'VolumeFailed',
      () => {
        at.change(PVS, 'pv-1', { status: { phase: 'Failed' } });
        at.event(at.server.find(PVS, 'pv-1'), 'VolumeFailedDelete', 'BERTH_IMAGE_IN_GROUP: in group g', 'default');
      },
      /could not be deleted: BERTH_IMAGE_IN_GROUP: in group g/,
    ],
    [
      'VolumeTerminating',
      () =>
        at.change(PVS, 'pv-1', { metadata: { deletionTimestamp: OLD, finalizers: ['kubernetes.io/pv-protection'] } }),
      /pv-1 is to go since 2026-01-01T00:00:00Z; it waits for its claim to go/,
    ],
    [
      'NodeGone',
      () => {
        at.server.remove(NODES, 'a');
        at.server.remove(CSI_NODES, 'a');
      },
      /open at 10\.0\.0\.1:0\/5\), and the API has no node a/,
    ],
    ['CsiNodeGone', () => at.server.remove(CSI_NODES, 'a'), /node a has no CSINode/],
    ['DriverGone', () => at.csiNode('a', ['other.example.org']), /the driver is not registered on node a/],
    [
      'NodeOutOfService',
      () => at.node('a', { taints: ['node.kubernetes.io/out-of-service'] }),
      /node a is declared out of service/,
    ],
    [
      'NodeNotReady',
      () => at.node('a', { ready: 'Unknown' }),
      /node a is not ready since .*kubectl taint node a node\.kubernetes\.io\/out-of-service/,
    ],
    [
      'StillMounted',
      () => at.va({ deleting: true }),
      /the kubelet of a has it mounted .*end its pods there: shop\/db-0/,
    ],
    [
      'NotAttached',
      () => at.pod({ name: 'db-1', spec: { nodeName: 'b', volumes: volumes() }, status: { phase: 'Pending' } }),
      /pod shop\/db-1 is to run on b, and no VolumeAttachment .*attached to a still \(Multi-Attach\)/,
    ],
    [
      'PersistentVolumeGone',
      () => {
        at.server.remove(PVS, 'pv-1');
        at.va({ deleting: true });
      },
      /PersistentVolume pv-1, which alone names its image, is gone/,
    ],
    [
      'RuntimeClassGone',
      () =>
        at.pod({ spec: { nodeName: 'a', volumes: volumes(), runtimeClassName: 'vm' }, status: { phase: 'Pending' } }),
      /RuntimeClass vm of pod shop\/db-0 does not exist/,
    ],
    [
      'PodUnscheduled',
      () =>
        at.pod({
          spec: { nodeName: undefined, volumes: volumes() },
          status: {
            phase: 'Pending',
            conditions: [{ type: 'PodScheduled', status: 'False', message: '0/3 nodes fit' }],
          },
        }),
      /pod shop\/db-0 has no node: 0\/3 nodes fit/,
    ],
    [
      'PodWaits',
      () => {
        waiting();
        at.event(at.server.find(PODS, 'db-0'), 'FailedMount', 'MountVolume.SetUp failed: BERTH_BUSY: x');
      },
      /pod shop\/db-0, FailedMount at 2026-01-01T00:00:00Z: MountVolume\.SetUp failed: BERTH_BUSY/,
    ],
    [
      'PodTerminating',
      () => at.pod({ metadata: { deletionTimestamp: OLD } }),
      /pod shop\/db-0 on a was to be gone at 2026/,
    ],
    [
      'PodKilled',
      () => {
        const finishedAt = new Date(Date.now() - 60_000).toISOString();
        const db = { name: 'db', restartCount: 3, lastState: { terminated: { reason: 'OOMKilled', finishedAt } } };
        at.pod({
          spec: {
            ...{ nodeName: 'a', volumes: volumes(), runtimeClassName: 'kata-qemu', overhead: { memory: '64Mi' } },
            containers: [{ name: 'db', resources: { limits: { memory: '128Mi' } } }],
          },
          status: { phase: 'Running', containerStatuses: [db] },
        });
      },
      /container db of pod shop\/db-0 was killed for want of memory .*\(3 restarts\); the pod has 192 MiB.*kata-qemu/,
    ],
  ];
}
