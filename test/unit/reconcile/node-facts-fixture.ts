/**
 * A node for the decisions of reconciliation, put together in a line or two: journal, kernel and kubelet as a test
 * wants them.
 */
import type { Mount } from '../../../src/host/mount/mountinfo.js';
import type { JournalEntry } from '../../../src/journal/entry.js';
import type { NodeFacts, KubeletVolume, SeenMapping } from '../../../src/reconcile/node-facts.js';

export const NOW = Date.parse('2026-01-01T12:00:00Z');
export const AGE_MS = 600_000;
export const OLD = NOW - 2 * AGE_MS;
export const FRESH = NOW - AGE_MS / 2;
export const FSID = 'f00d';
export const ROOT = '/var/lib/kubelet';
export const VOLUME = 'dev/hyper/berth-a';
export const STAGE = `${ROOT}/plugins/kubernetes.io/csi/rbd.csi.berth.dev/ab12`;
export const POD = `${ROOT}/pods/uid-1`;
export const STAGING = `${STAGE}/globalmount`;
export const TARGET = `${POD}/volumes/kubernetes.io~csi/pv-a/mount`;

export const iso = (at: number): string => new Date(at).toISOString();

export const entry = (other: Partial<JournalEntry> = {}): JournalEntry => ({
  ...{ version: 1, volume: VOLUME, fsid: FSID, stagingPath: STAGING, state: 'staged', mode: 'SINGLE_NODE_WRITER' },
  ...{ access: 'mount', readOnly: false, fsType: 'ext4', flagsDigest: '', mapper: 'krbd', holdsRecord: false },
  ...{ targets: {}, since: iso(OLD) },
  ...other,
});

export const target = { [TARGET]: { readOnly: false, mode: 'SINGLE_NODE_WRITER' } } as const;

interface Where {
  readonly device?: string;
  readonly mapper?: 'krbd' | 'nbd' | 'loop';
  readonly fsid?: string;
  readonly pool?: string;
  readonly namespace?: string;
  readonly image?: string;
}

export const mapping = (where: Where = {}, other: Partial<SeenMapping> = {}): SeenMapping => {
  const {
    device = '/dev/rbd0',
    mapper = 'krbd',
    fsid = FSID,
    pool = 'hyper',
    namespace = '',
    image = 'berth-a',
  } = where;
  return {
    mapping: { mapper, device, readOnly: false, location: { fsid, pool, namespace, image } },
    ...{ number: '252:0', holders: [], unserved: undefined, isProvenOurs: mapper === 'loop', since: OLD },
    ...other,
  };
};

/** The volume's mapping. */
export const mapped = { mappings: [mapping()] };

let serial = 100;
export const mount = (at: string, device = '252:0', other: Partial<Mount> = {}): Mount => {
  serial += 1;
  return {
    ...{ id: serial, parentId: 1, device, root: '/', target: at, options: ['rw'], fsType: 'ext4' },
    ...{ source: '/dev/rbd0', superOptions: ['rw'], propagation: [] },
    ...other,
  };
};

export const kubelet = (other: Partial<KubeletVolume> = {}): KubeletVolume => {
  const directory = other.kind === 'stage' ? STAGE : `${POD}/volumes/kubernetes.io~csi/pv-a`;
  return {
    ...{ kind: 'pod', volume: VOLUME, directory, mountPoint: other.kind === 'stage' ? STAGING : TARGET },
    ...{ owner: other.kind === 'stage' ? STAGE : POD, state: 'empty', others: [], changed: OLD },
    ...other,
  };
};

export const facts = (other: Partial<NodeFacts> = {}, volumes: readonly KubeletVolume[] = []): NodeFacts => ({
  ...{ now: NOW, quietFrom: OLD, ageMs: AGE_MS, entries: [], unreadable: [], mappings: [], blind: new Map() },
  ...{ mounts: [], kubelet: { root: ROOT, volumes, unclear: [], incomplete: undefined } },
  places: [{ cluster: 'dev', pool: 'hyper', namespaces: [''] }],
  isRunning: () => false,
  ...other,
});

export const unknown = (why = 'EACCES'): Partial<NodeFacts> => ({
  kubelet: { root: ROOT, volumes: [], unclear: [], incomplete: why },
});
