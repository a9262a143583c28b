/**
 * Each link of a volume's chain is broken in every way that is known, over the API's stand-in, Ceph in memory and a
 * journal on disk: trace names that link first, says why, and ends with 2. docs/trace.md has the same table.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { printTrace } from '../../../../src/cli/trace/print-trace.js';
import { LINK_OF, type BreakReason } from '../../../../src/diagnosis/trace/links.js';
import { needsAttention, traceSubject } from '../../../../src/diagnosis/trace/trace-subject.js';
import { berthError } from '../../../../src/model/errors.js';
import { formatGrowth, GROWTH_KEY } from '../../../../src/volume/image/growth-record.js';
import { CSI_NODES, NODES, PODS, PVCS, PVS, soon, VAS } from '../../../kube/api-fixture.js';
import { OLD, VOLUME } from '../../../kube/attachment-fixture.js';
import { CLASSES, traceFixture } from '../../../kube/trace-fixture.js';

const at = traceFixture();

const claim = () => at.server.find(PVCS, 'data');
const image = () => at.cluster.image('berth-v')!;
const unbound = (more: Record<string, unknown> = {}) => {
  at.server.remove(PVS, 'pv-1');
  withoutAttachment();
  at.server.remove(PODS, 'db-0');
  at.claimObject({ spec: { volumeName: undefined, ...more }, status: { phase: 'Pending' } });
};
const waiting = () => at.pod({ status: { phase: 'Pending' } });
const growth = (state: 'growing' | 'failed') => {
  const record = {
    state,
    snapshot: 'berth-growth-1',
    size: '2147483648',
    mounts: '1',
    tries: 3,
    node: 'b',
    since: OLD,
  };
  const home = { id: image().id, fsid: at.cluster.rbd.fsid, metadata: image().metadata };
  image().metadata.set(GROWTH_KEY, formatGrowth({ ...record, why: 'resize2fs gave up' }, VOLUME, home));
};
const otherGrant = () => {
  const record = JSON.parse(image().metadata.get('berth.dev/holder')!) as { holders: { grant?: string }[] };
  record.holders[0]!.grant = 'new';
  image().metadata.set('berth.dev/holder', JSON.stringify(record));
  at.change(VAS, 'va-a', { status: { attachmentMetadata: { 'berth.dev/grant': 'old' } } });
};

type Row = readonly [reason: BreakReason, breaks: () => unknown, says: RegExp];
const rows: readonly Row[] = [
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
      withoutAttachment();
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
    () => at.change(PVS, 'pv-1', { metadata: { deletionTimestamp: OLD, finalizers: ['kubernetes.io/pv-protection'] } }),
    /pv-1 is to go since 2026-01-01T00:00:00Z; it waits for its claim to go/,
  ],
  [
    'VolumeDeleting',
    () => image().metadata.set('berth.dev/holder', claimOfDelete()),
    /is being deleted since .* by the Ceph client/,
  ],
  [
    'ImageLocked',
    () => image().locks.push({ id: 'kubelet_lock', locker: 'client.9', address: '10.0.0.9:0/1' }),
    /no writer gets it: "kubelet_lock" of client\.9 .*rbd lock rm rbd\/berth-v 'kubelet_lock' client\.9/,
  ],
  [
    'ImageTooSmall',
    () => (image().sizeBytes /= 2n),
    /has 536870912 bytes in Ceph, and PersistentVolume pv-1 says 1073741824/,
  ],
  ['GrowthCut', () => growth('growing'), /may be half grown, by b since .* snapshot berth-growth-1/],
  ['GrowthGivenUp', () => growth('failed'), /not grown to 2147483648 bytes in 3 tries: resize2fs gave up/],
  ['ImageGone', () => gone(), /which Ceph does not have/],
  [
    'CephSilent',
    () => silent(),
    /what Ceph has is not known: BERTH_CLUSTER_UNREACHABLE: .*check monitors and network$/,
  ],
  [
    'OpenUnexplained',
    () => image().watchers.push({ address: '10.9.9.9:0/3', client: 99n }),
    /open at client\.99 at 10\.9\.9\.9:0\/3, which no holder record explains/,
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
  ['StillMounted', () => at.va({ deleting: true }), /the kubelet of a has it mounted .*end its pods there: shop\/db-0/],
  [
    'ImageStillOpen',
    () => {
      at.node('a');
      at.va({ deleting: true });
    },
    /its image is open at 10\.0\.0\.1:0\/5; node a is there/,
  ],
  [
    'ForeignFinalizer',
    () => {
      released();
      at.va({ deleting: true, finalizers: ['example.org/x'] });
    },
    /the finalizer example\.org\/x/,
  ],
  [
    'AttacherSilent',
    () => {
      released();
      at.va({ deleting: true });
    },
    /csi-attacher does not confirm it/,
  ],
  ['AttachUnconfirmed', () => at.va({ attached: false }), /not marked attached although/],
  ['GrantOutdated', () => otherGrant(), /carries another grant than/],
  [
    'AttachFails',
    () => {
      released();
      at.va({ attached: false });
      at.change(VAS, 'va-a', { status: { attachError: { message: 'BERTH_NODE_UNKNOWN: node a' } } });
    },
    /va-a is refused: BERTH_NODE_UNKNOWN: node a/,
  ],
  [
    'NotAttached',
    () => at.pod({ name: 'db-1', spec: { nodeName: 'b', volumes: volumes() }, status: { phase: 'Pending' } }),
    /pod shop\/db-1 is to run on b, and no VolumeAttachment .*attached to a still \(Multi-Attach\)/,
  ],
  ['AttachedInApiOnly', () => released(), /the image's record names nobody/],
  ['HeldInCephOnly', () => withoutAttachment(), /and the API has no VolumeAttachment for it/],
  [
    'HeldElsewhere',
    () => {
      at.csiNode('b');
      at.node('b');
      withoutAttachment();
      at.va({ node: 'b', attached: false });
    },
    /va-b waits for a, which holds the volume since/,
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
    'JournalUnreadable',
    async () => {
      await at.journal();
      const [file] = await filesOfJournal();
      await writeFile(file!, 'not JSON');
    },
    /this node's journal of c1\/rbd\/berth-v cannot be read: BERTH_JOURNAL_UNREADABLE/,
  ],
  [
    'NotStagedHere',
    async () => {
      await at.journal({ volume: 'c1/rbd/berth-other' });
    },
    /says that a has it staged, and this node's journal knows nothing of it/,
  ],
  [
    'DeviceGone',
    () => at.journal({ mapping: { mapper: 'krbd', device: '/dev/rbd987654', readOnly: false } }),
    /\/dev\/rbd987654 of c1\/rbd\/berth-v is not there any more/,
  ],
  [
    'NotMounted',
    () => at.journal({ access: 'mount', fsType: 'ext4' }),
    /is staged at .*staging, and nothing is mounted there/,
  ],
  ['MountedReadOnly', () => mountedReadOnly(), /is read-only; the kernel gave it up after an error/],
  [
    'TargetNotMounted',
    () => at.journal({ targets: { '/nowhere/pod': { readOnly: false, mode: 'SINGLE_NODE_WRITER' } } }),
    /is published at \/nowhere\/pod, and it is not mounted there/,
  ],
  [
    'KataRecordGone',
    // The root is a mount on every machine, and no Kata runtime has a record of it.
    () => at.journal({ targets: { '/': { readOnly: false, mode: 'SINGLE_NODE_WRITER', sandbox: 'kata' } } }),
    /the Kata runtime finds no record of c1\/rbd\/berth-v for \//,
  ],
  [
    'RuntimeClassGone',
    () => at.pod({ spec: { nodeName: 'a', volumes: volumes(), runtimeClassName: 'vm' }, status: { phase: 'Pending' } }),
    /RuntimeClass vm of pod shop\/db-0 does not exist/,
  ],
  [
    'PodUnscheduled',
    () =>
      at.pod({
        spec: { nodeName: undefined, volumes: volumes() },
        status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', message: '0/3 nodes fit' }] },
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
];

const volumes = () => [{ name: 'd', persistentVolumeClaim: { claimName: 'data' } }];
const claimOfDelete = () =>
  JSON.stringify({ version: 1, deleting: [{ client: '10.0.0.2:0/7', since: OLD }], image: 'rbd/berth-v' });
/** An object without finalizers goes at once. */
const withoutAttachment = () => {
  at.va({ finalizers: [] });
  at.server.remove(VAS, 'va-a');
  at.node('a');
};
const released = () => {
  image().metadata.delete('berth.dev/holder');
  image().watchers.length = 0;
  at.node('a');
};
async function gone(): Promise<void> {
  image().watchers.length = 0;
  image().metadata.delete('berth.dev/holder');
  await at.cluster.rbd.remove(at.cluster.at('berth-v'), soon());
}
function silent(): void {
  const error = () => berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: 'c1', why: 'no monitor answers' });
  for (let i = 0; i < 4; i += 1) at.cluster.rbd.failNext('head', error);
  at.va({ deleting: true });
}
async function filesOfJournal(): Promise<string[]> {
  const directory = path.join(at.stateDirectory, 'journal');
  return (await readdir(directory)).map((name) => path.join(directory, name));
}
function mountedReadOnly(): void {
  const entry = { version: 1, volume: VOLUME, fsid: 'f', stagingPath: '/staging', state: 'staged' } as const;
  const rest = { mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false, fsType: 'ext4' } as const;
  const more = { flagsDigest: '', mapper: 'krbd', holdsRecord: false, targets: {}, since: OLD } as const;
  const mount = { id: 1, parentId: 0, device: '252:0', root: '/', target: '/staging', options: ['rw'] } as const;
  const staging = { ...mount, fsType: 'ext4', source: '/dev/rbd0', superOptions: ['ro'], propagation: [] };
  at.here = { kind: 'staged', entry: { ...entry, ...rest, ...more }, deviceBytes: undefined, staging, targets: [] };
}

const subjectOf = (reason: BreakReason): string =>
  ['ClaimGone', 'VolumeReleased', 'PersistentVolumeGone'].includes(reason) ? 'pv-1' : 'shop/data';

describe('berth trace of a volume', () => {
  it('that is whole: says that nothing is broken, and ends with 0', async () => {
    await at.journal();
    const found = await traceSubject(at.parts(), 'shop/data');
    expect(printTrace(found)).toMatch(/^broken {15}nothing$/m);
    expect(needsAttention(found)).toBe(false);
  });

  it.each(rows)('names %s and the link that it is in', async (reason, breaks, says) => {
    await breaks();
    const found = await traceSubject(at.parts(), subjectOf(reason));
    const mine = found.traces[0]!.breaks.find((one) => one.reason === reason);
    expect(found.traces[0]!.breaks.map((one) => `${one.link}: ${one.reason}`)).toContain(
      `${LINK_OF[reason]}: ${reason}`,
    );
    expect(mine?.says).toMatch(says);
    // Nothing that stands before the broken link is called broken.
    expect(found.traces[0]!.breaks[0]?.link).toBe(LINK_OF[reason]);
    expect(printTrace(found)).toContain(`\nbroken               ${LINK_OF[reason]}: `);
    expect(needsAttention(found)).toBe(true);
  });

  it('is tried with every way in which a link can break', () => {
    expect(rows.map(([reason]) => reason).toSorted()).toEqual(Object.keys(LINK_OF).toSorted());
    expect(rows.length).toBeGreaterThan(20);
  });
});

describe('docs/trace.md', () => {
  it('has every way in which a link can break, by its link', async () => {
    const page = await readFile(new URL('../../../../docs/trace.md', import.meta.url), 'utf8');
    const told = [...page.matchAll(/^\| ([a-z ]+) \| `(\w+)` \|/gm)].map(([, link, reason]) => `${link}: ${reason}`);
    const known = Object.entries(LINK_OF).map(([reason, link]) => `${link}: ${reason}`);
    expect(told.toSorted()).toEqual(known.toSorted());
  });
});
