/**
 * A volume that is whole from its claim to its running pod, in the API's stand-in, in Ceph in memory and in a journal
 * of this machine; and the acts that break one link of it each.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { HOLDER_KEY, type Holder, type HolderRecord } from '../../src/attachment/holder-record.js';
import { viewOfNode, volumeOfDevice, type NodeView } from '../../src/diagnosis/trace/node-view.js';
import type { SubjectParts } from '../../src/diagnosis/trace/find-subject.js';
import type { TraceParts } from '../../src/diagnosis/trace/trace-volume.js';
import type { JournalEntry } from '../../src/journal/entry.js';
import { Journal } from '../../src/journal/journal.js';
import { StorageObjects } from '../../src/kube/storage-objects.js';
import { KATA_HANDLERS } from '../../src/sandbox/choose-sandbox.js';
import { KataRecords } from '../../src/sandbox/kata/kata-records.js';
import { findImageId } from '../../src/volume/image/look/find-image-id.js';
import { DEFAULT_SIZE } from '../../src/volume/image/volume-size.js';
import { PODS, PVCS, PVS } from './api-fixture.js';
import type { Thing } from './api-server.js';
import { attachmentFixture, DRIVER, OLD, VOLUME, type AttachmentFixture } from './attachment-fixture.js';

export const CLASSES = '/apis/storage.k8s.io/v1/storageclasses';
/** By which node `a` has the image open. */
export const CLIENT = { address: '10.0.0.1:0/5', client: 'client.5' };

type More = Record<string, unknown>;

export interface TraceFixture extends AttachmentFixture {
  parts(more?: Partial<TraceParts>): TraceParts & SubjectParts;
  /** Node `a` has it staged, by {@link CLIENT}. */
  staged(more?: Partial<Holder>): void;
  /** Replace parts of an object; `spec` and `status` are merged. */
  change(collection: string, name: string, more: { metadata?: More; spec?: More; status?: More }): void;
  pod(more?: { metadata?: More; spec?: More; status?: More; name?: string }): void;
  claimObject(more?: { metadata?: More; spec?: More; status?: More }): void;
  storageClass(more?: More): void;
  event(about: Thing | undefined, reason: string, message: string, namespace?: string): void;
  /** What this node's journal says; {@link VOLUME} is staged as a raw device with no target, unless `more` says. */
  journal(more?: Partial<JournalEntry>): Promise<void>;
  /** What this node has of the volume, where it is to be something that no test machine has. */
  here: NodeView | undefined;
  stateDirectory: string;
}

/** To be called at the top of a test file. */
export function traceFixture(): TraceFixture {
  const at = attachmentFixture() as TraceFixture;
  beforeEach(async () => {
    at.stateDirectory = await mkdtemp(path.join(tmpdir(), 'berth-trace-'));
    at.here = undefined;
    Object.assign(at, acts(at));
    at.storageClass();
    at.claimObject();
    at.change(PVS, 'pv-1', {
      spec: {
        claimRef: { namespace: 'shop', name: 'data', uid: at.server.find(PVCS, 'data')!.metadata.uid },
        capacity: { storage: String(DEFAULT_SIZE) },
        persistentVolumeReclaimPolicy: 'Delete',
      },
      status: { phase: 'Bound' },
    });
    await at.attach('a');
    at.va();
    at.node('a', { inUse: [VOLUME] });
    at.staged();
    at.pod();
  });
  afterEach(() => rm(at.stateDirectory, { recursive: true, force: true }));
  return at;
}

const acts = (at: TraceFixture): Partial<TraceFixture> => ({
  parts: (more = {}) => {
    const kataRecords = new KataRecords(path.join(at.stateDirectory, 'kata'));
    const directory = at.stateDirectory;
    return {
      api: { attachments: at.attachments, objects: new StorageObjects(at.api) },
      driver: DRIVER,
      images: at.ceph,
      here: async (volume) => at.here ?? (await viewOfNode({ stateDirectory: directory, kataRecords }, volume)),
      nodeId: 'a',
      isController: true,
      kataHandlers: KATA_HANDLERS,
      now: () => new Date(),
      clusters: at.cluster.clusters,
      volumeOfDevice: (device) => volumeOfDevice(directory, device),
      volumeOfImageId: (imageId, deadline) =>
        findImageId({ rbd: at.cluster.rbd, clusters: at.cluster.clusters }, { imageId, role: 'controller' }, deadline),
      ...more,
    };
  },
  staged: (more = {}) => {
    const { metadata, watchers } = at.cluster.image('berth-v')!;
    const record = JSON.parse(metadata.get(HOLDER_KEY)!) as HolderRecord;
    const staged = { state: 'staged', at: OLD, bootId: 'boot', clients: [CLIENT], ...more } as const;
    metadata.set(HOLDER_KEY, JSON.stringify({ ...record, holders: [{ ...record.holders[0], ...staged }] }));
    watchers.splice(0, watchers.length, { address: CLIENT.address, client: 5n });
  },
  change: (collection, name, { metadata, spec, status }) => {
    const { metadata: old, ...rest } = at.server.find(collection, name)!;
    const [oldSpec, oldStatus] = [rest['spec'] as More, rest['status'] as More];
    at.server.put(collection, {
      ...rest,
      metadata: { ...old, ...metadata },
      spec: { ...oldSpec, ...spec },
      status: { ...oldStatus, ...status },
    });
  },
  pod: ({ metadata, spec, status, name = 'db-0' } = {}) =>
    void at.server.put(PODS, {
      metadata: { name, namespace: 'shop', ...metadata },
      spec: { nodeName: 'a', volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'data' } }], ...spec },
      status: { phase: 'Running', ...status },
    }),
  claimObject: ({ metadata, spec, status } = {}) =>
    void at.server.put(PVCS, {
      metadata: { name: 'data', namespace: 'shop', ...metadata },
      spec: { volumeName: 'pv-1', storageClassName: 'fast', ...spec },
      status: { phase: 'Bound', ...status },
    }),
  storageClass: (more = {}) =>
    void at.server.put(CLASSES, {
      metadata: { name: 'fast' },
      provisioner: DRIVER,
      volumeBindingMode: 'Immediate',
      ...more,
    }),
  event: (about, reason, message, namespace = 'shop') =>
    void at.server.put(`/api/v1/namespaces/${namespace}/events`, {
      metadata: { name: `${reason}-${about?.metadata.name ?? ''}`.toLowerCase(), namespace },
      involvedObject: { uid: about?.metadata.uid },
      ...{ type: 'Warning', reason, message, lastTimestamp: OLD },
    }),
  journal: async (more = {}) => {
    const directory = path.join(at.stateDirectory, 'journal');
    await mkdir(directory, { recursive: true });
    const journal = new Journal(directory);
    await journal.write({
      version: 1,
      volume: VOLUME,
      fsid: at.cluster.rbd.fsid,
      stagingPath: path.join(at.stateDirectory, 'staging'),
      state: 'staged',
      mode: 'SINGLE_NODE_WRITER',
      access: 'block',
      readOnly: false,
      flagsDigest: '',
      mapper: 'krbd',
      holdsRecord: false,
      targets: {},
      since: OLD,
      ...more,
    });
  },
});
