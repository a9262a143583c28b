/**
 * A cluster with one volume of ours: its objects in the API's stand-in and its image in Ceph in memory, for tests of
 * both together.
 */
import { beforeEach } from 'vitest';
import { Attachments } from '../../src/kube/volume-attachments.js';
import { createLog } from '../../src/observe/log.js';
import { attacherFinalizer } from '../../src/diagnosis/attachment/attachment-facts.js';
import { imageStates } from '../../src/diagnosis/attachment/image-state.js';
import type { ImageDescriptions, ImageStates } from '../../src/diagnosis/attachment/gather-attachment.js';
import { detachBy, type Detach } from '../../src/wiring/detach-by.js';
import { attachVolume, type AttachParts } from '../../src/volume/controller/attach-volume.js';
import { createVolume } from '../../src/volume/controller/create/create-volume.js';
import { HOLDER_KEY, parseHolderRecord } from '../../src/attachment/holder-record.js';
import {
  memoryCluster,
  creation,
  mounted,
  place,
  type MemoryCluster,
} from '../unit/volume/controller/memory-cluster.js';
import { createParts, detachParts } from '../unit/volume/controller/use-case-parts.js';
import { CSI_NODES, apiFixture, NODES, PVCS, PVS, soon, VAS, type ApiFixture } from './api-fixture.js';

export const DRIVER = 'rbd.csi.berth.dev';
export const VOLUME = 'c1/rbd/berth-v';
export const FINALIZER = attacherFinalizer(DRIVER);
export const OLD = '2026-01-01T00:00:00Z';

export interface AttachmentFixture extends ApiFixture {
  cluster: MemoryCluster;
  ceph: ImageStates & ImageDescriptions;
  /** What ControllerUnpublish does, counted in {@link detaches}. */
  detach: Detach;
  attachments: Attachments;
  /** Handles and nodes that a detach was tried for. */
  detaches: string[];
  holders(): string[];
  /** A client that has the image open; returns how it lets go. */
  open(): () => void;
  attach(node: string): Promise<void>;
  node(name: string, more?: { readonly taints?: string[]; readonly inUse?: string[]; readonly ready?: string }): void;
  csiNode(name: string, drivers?: string[]): void;
  pv(): void;
  claim(): void;
  va(more?: {
    readonly deleting?: boolean;
    readonly finalizers?: string[];
    readonly attached?: boolean;
    readonly node?: string;
  }): void;
}

/** To be called at the top of a test file: volume `v` exists, node `a` is well, nothing is attached. */
export function attachmentFixture(): AttachmentFixture {
  const at = apiFixture() as AttachmentFixture;
  const cluster = memoryCluster();
  beforeEach(async () => {
    const parts = detachParts(cluster);
    await createVolume(createParts(cluster), creation('v'), soon());
    for (const node of ['a', 'b']) {
      const more = { version: 1, bootId: 'b', driver: '0', mappers: [], seen: '' } as const;
      await parts.nodes.register(place(), { node, ...more }, soon());
    }
    const ceph = imageStates(parts);
    const detaches: string[] = [];
    const detach: Detach = (volume, node, deadline, unasked) => {
      detaches.push(`${volume} ${node}`);
      return detachBy(parts)(volume, node, deadline, unasked);
    };
    const attachments = new Attachments(at.api, DRIVER, createLog('silent'));
    Object.assign(at, { cluster, attachments, detaches, ceph, detach, ...cephActs(cluster, parts), ...apiActs(at) });
    at.node('a');
    at.csiNode('a');
    at.pv();
  });
  return at;
}

const cephActs = (cluster: MemoryCluster, parts: AttachParts) => ({
  holders: () =>
    parseHolderRecord(cluster.image('berth-v')?.metadata.get(HOLDER_KEY), VOLUME)?.holders.map((one) => one.node) ?? [],
  open: () => {
    const { watchers } = cluster.image('berth-v')!;
    watchers.push({ address: '10.0.0.1:0/5', client: 5n });
    return () => void watchers.splice(0);
  },
  attach: (node: string) =>
    attachVolume(parts, { volume: VOLUME, node, capability: mounted, readOnly: false, secrets: undefined }, soon()),
});

const apiActs = (at: ApiFixture): Pick<AttachmentFixture, 'node' | 'csiNode' | 'pv' | 'claim' | 'va'> => ({
  node: (name, { taints = [], inUse = [], ready = 'True' } = {}) =>
    void at.server.put(NODES, {
      metadata: { name },
      spec: { taints: taints.map((key) => ({ key })) },
      status: {
        conditions: [{ type: 'Ready', status: ready, lastTransitionTime: OLD }],
        nodeInfo: { bootID: 'boot' },
        volumesInUse: inUse.map((one) => `kubernetes.io/csi/${DRIVER}^${one}`),
      },
    }),
  csiNode: (name, drivers = [DRIVER]) =>
    void at.server.put(CSI_NODES, {
      metadata: { name },
      spec: { drivers: drivers.map((one) => ({ name: one, nodeID: name })) },
    }),
  pv: () =>
    void at.server.put(PVS, {
      metadata: { name: 'pv-1' },
      spec: { csi: { driver: DRIVER, volumeHandle: VOLUME }, claimRef: { namespace: 'shop', name: 'data' } },
    }),
  claim: () =>
    void at.server.put(PVCS, { metadata: { name: 'data', namespace: 'shop' }, spec: { volumeName: 'pv-1' } }),
  va: ({ deleting = false, finalizers = [FINALIZER], attached = true, node = 'a' } = {}) => {
    const metadata = { name: `va-${node}`, finalizers, creationTimestamp: OLD };
    at.server.put(VAS, {
      metadata: deleting ? { ...metadata, deletionTimestamp: OLD } : metadata,
      spec: { attacher: DRIVER, nodeName: node, source: { persistentVolumeName: 'pv-1' } },
      status: { attached },
    });
  },
});
