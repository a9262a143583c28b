/**
 * One volume of a test through its life on several nodes; remembers where it was brought so that all of it can be taken
 * back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ControllerPublishVolumeRequest } from '../../../src/csi/gen/csi/v1/ControllerPublishVolumeRequest.js';
import type { NodePublishVolumeRequest } from '../../../src/csi/gen/csi/v1/NodePublishVolumeRequest.js';
import type { NodeStageVolumeRequest } from '../../../src/csi/gen/csi/v1/NodeStageVolumeRequest.js';
import type { VolumeCapability } from '../../../src/csi/gen/csi/v1/VolumeCapability.js';
import type { Driver } from './driver.js';

export type Secrets = Readonly<Record<string, string>>;

const TRIES = 20;
const PAUSE_MS = 200;

async function comingAgain(call: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await call();
      return;
    } catch (error) {
      if (tries === TRIES || !String(error).includes('BERTH_BUSY')) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

export class Volume {
  readonly id: string;
  readonly capability: VolumeCapability;
  readonly secrets: Secrets;
  /** What comes before the driver is asked to delete it. */
  beforeDelete: () => Promise<unknown> = () => Promise.resolve();
  readonly #home: Driver;
  readonly #nodes = new Map<Driver, Set<string>>();
  readonly #context = new Map<Driver, Record<string, string>>();

  constructor(id: string, capability: VolumeCapability, home: Driver, secrets: Secrets) {
    this.id = id;
    this.capability = capability;
    this.secrets = secrets;
    this.#home = home;
  }

  /** `pool/namespace/image`, as the rbd program takes it. */
  get image(): string {
    return this.id.split('/').slice(1).join('/');
  }

  #targets(on: Driver): Set<string> {
    const known = this.#nodes.get(on) ?? new Set();
    this.#nodes.set(on, known);
    return known;
  }

  async attach(on: Driver, other: Partial<ControllerPublishVolumeRequest> = {}, via = this.#home): Promise<void> {
    this.#targets(on);
    const { id: volumeId, capability: volumeCapability, secrets } = this;
    const request = { volumeId, nodeId: on.nodeId, volumeCapability, secrets, ...other };
    const { publishContext } = await via.controller.ControllerPublishVolume(request);
    this.#context.set(on, publishContext);
  }

  /** What the last attach to a node passed on. */
  context(on: Driver): Readonly<Record<string, string>> {
    return this.#context.get(on) ?? {};
  }

  async stage(on: Driver, other: Partial<NodeStageVolumeRequest> = {}, ms?: number): Promise<string> {
    this.#targets(on);
    const { id: volumeId, capability: volumeCapability, secrets } = this;
    const stagingTargetPath = await on.stagingPath(this.id);
    const publishContext = this.#context.get(on) ?? {};
    const request = { volumeId, stagingTargetPath, volumeCapability, publishContext, secrets, ...other };
    await on.node.NodeStageVolume(request, ms);
    return stagingTargetPath;
  }

  /** The target path. */
  async publish(on: Driver, pod = 'pod', other: Partial<NodePublishVolumeRequest> = {}): Promise<string> {
    const { id: volumeId, capability: volumeCapability, secrets } = this;
    const targetPath = await on.targetPath(this.id, pod);
    const stagingTargetPath = await on.stagingPath(this.id);
    const publishContext = this.#context.get(on) ?? {};
    const request = { volumeId, targetPath, stagingTargetPath, volumeCapability, publishContext, secrets, ...other };
    if (other.targetPath === undefined) this.#targets(on).add(targetPath);
    await on.node.NodePublishVolume(request);
    // A path of a test's own choice may be one that no call accepts: it counts once it was taken.
    this.#targets(on).add(request.targetPath);
    return targetPath;
  }

  /** Attach, stage and publish. */
  async bring(on: Driver, pod?: string): Promise<string> {
    await this.attach(on);
    await this.stage(on);
    return this.publish(on, pod);
  }

  async unpublish(on: Driver, pod = 'pod'): Promise<void> {
    await on.node.NodeUnpublishVolume({ volumeId: this.id, targetPath: await on.targetPath(this.id, pod) });
  }

  async unstage(on: Driver): Promise<void> {
    await on.node.NodeUnstageVolume({ volumeId: this.id, stagingTargetPath: await on.stagingPath(this.id) });
  }

  async detach(on: Driver): Promise<void> {
    const { id: volumeId, secrets } = this;
    await this.#home.controller.ControllerUnpublishVolume({ volumeId, nodeId: on.nodeId, secrets });
    this.#context.delete(on);
  }

  /**
   * Unpublish everywhere on a node, unstage and detach; what meets the node's own clearing comes again, as the kubelet
   * does.
   */
  async leave(on: Driver): Promise<void> {
    for (const targetPath of this.#targets(on)) {
      if (!targetPath.startsWith('/')) continue;
      await comingAgain(() => on.node.NodeUnpublishVolume({ volumeId: this.id, targetPath }));
    }
    this.#targets(on).clear();
    await comingAgain(() => this.unstage(on));
    await this.detach(on);
  }

  async delete(): Promise<void> {
    await this.beforeDelete();
    await this.#home.controller.DeleteVolume({ volumeId: this.id, secrets: this.secrets });
  }

  /** From wherever it is, by the driver's own calls alone. */
  async end(): Promise<void> {
    for (const on of this.#nodes.keys()) await this.leave(on);
    await this.delete();
  }

  async expand(toBytes: number): Promise<{ capacityBytes: string; nodeExpansionRequired: boolean }> {
    const { id: volumeId, secrets, capability: volumeCapability } = this;
    const capacityRange = { requiredBytes: String(toBytes) };
    return this.#home.controller.ControllerExpandVolume({ volumeId, capacityRange, secrets, volumeCapability });
  }

  async expandOn(on: Driver, toBytes: number, volumePath: string): Promise<string> {
    const { id: volumeId, secrets, capability: volumeCapability } = this;
    const stagingTargetPath = await on.stagingPath(this.id);
    const capacityRange = { requiredBytes: String(toBytes) };
    const request = { volumeId, volumePath, stagingTargetPath, capacityRange, secrets, volumeCapability };
    return (await on.node.NodeExpandVolume(request)).capacityBytes;
  }
}
