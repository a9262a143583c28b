/** How links break that Ceph, the record or the node shows. Run by breaks.test.ts. */
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { JournalEntry } from '../../../../src/journal/entry.js';
import { berthError } from '../../../../src/model/errors.js';
import { placementOf } from '../../../../src/rbd/placement.js';
import { formatGrowth, GROWTH_KEY } from '../../../../src/volume/image/growth-record.js';
import { soon, VAS } from '../../../kube/api-fixture.js';
import { OLD, VOLUME } from '../../../kube/attachment-fixture.js';
import type { TraceFixture } from '../../../kube/trace-fixture.js';
import { withoutAttachment, type BreakRow } from './api-breaks.js';

/** The volume is staged, and mounted with these options of its filesystem. */
export function mountedWith(at: TraceFixture, superOptions: readonly string[], more: Partial<JournalEntry> = {}): void {
  const entry = { version: 1, volume: VOLUME, fsid: 'f', stagingPath: '/staging', state: 'staged' } as const;
  const rest = { mode: 'SINGLE_NODE_WRITER', access: 'mount', readOnly: false, fsType: 'ext4' } as const;
  const others = { flagsDigest: '', mapper: 'krbd', holdsRecord: false, targets: {}, since: OLD } as const;
  const mount = { id: 1, parentId: 0, device: '252:0', root: '/', target: '/staging', options: ['rw'] } as const;
  const staging = { ...mount, fsType: 'ext4', source: '/dev/rbd0', superOptions, propagation: [] };
  const all = { ...entry, ...rest, ...others, ...more };
  at.here = { kind: 'staged', entry: all, deviceBytes: undefined, staging, targets: [] };
}

export function cephBreaks(at: TraceFixture): readonly BreakRow[] {
  const image = () => at.cluster.image('berth-v')!;
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
  const claimOfDelete = () =>
    JSON.stringify({ version: 1, deleting: [{ client: '10.0.0.2:0/7', since: OLD }], image: 'rbd/berth-v' });
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
  function told(code: string, says: string, detail: readonly string[], groups: readonly number[] = []): void {
    const check = { code, says, detail, pools: ['rbd'] };
    const seen = groups.map((seed) => ({ id: `1.${seed.toString(16)}`, seed, of: 64, pool: 'rbd' }));
    at.cluster.rbd.healthNow = { status: 'HEALTH_ERR', checks: [{ ...check, groups: seen }] };
  }
  /** The group that the image's header is in. */
  const groupOfHeader = () => placementOf(`rbd_header.${image().id}`, '', 64);
  return [
    [
      'PoolFull',
      () => told('POOL_FULL', '1 pool(s) full', ["pool 'rbd' is full (running out of quota)"]),
      /pool 'rbd' is full \(running out of quota\); nobody writes there.*ceph osd pool get-quota rbd/,
    ],
    [
      'ObjectsUnavailable',
      () => told('PG_AVAILABILITY', 'Reduced', [`pg 1.${groupOfHeader().toString(16)} is down`], [groupOfHeader()]),
      /pg 1\.\w+ is down, where rbd_header\.\w+ belongs; I\/O there waits, and goes on by itself/,
    ],
    [
      'ObjectsDamaged',
      () => told('PG_DAMAGED', '1 pg inconsistent', [], [groupOfHeader()]),
      /1\.\w+, where rbd_header\.\w+ belongs; rados list-inconsistent-obj PG names what is damaged/,
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
    ['AttachedInApiOnly', () => released(), /the image's record names nobody/],
    ['HeldInCephOnly', () => withoutAttachment(at), /and the API has no VolumeAttachment for it/],
    [
      'HeldElsewhere',
      () => {
        at.csiNode('b');
        at.node('b');
        withoutAttachment(at);
        at.va({ node: 'b', attached: false });
      },
      /va-b waits for a, which holds the volume since/,
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
    [
      'MountedReadOnly',
      () => mountedWith(at, ['ro']),
      /has been made read-only after errors; delete the pods that have the volume on this node/,
    ],
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
  ];
}
