/** One volume on one node, each step of its life a call over the CSI socket. */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status, type ServiceError } from '@grpc/grpc-js';
import type { ControllerExpandVolumeResponse__Output } from '../../../src/csi/gen/csi/v1/ControllerExpandVolumeResponse.js';
import type { ControllerPublishVolumeResponse__Output } from '../../../src/csi/gen/csi/v1/ControllerPublishVolumeResponse.js';
import type { CreateVolumeResponse__Output } from '../../../src/csi/gen/csi/v1/CreateVolumeResponse.js';
import type { NodeStageVolumeRequest } from '../../../src/csi/gen/csi/v1/NodeStageVolumeRequest.js';
import type { NodeGetVolumeStatsResponse__Output } from '../../../src/csi/gen/csi/v1/NodeGetVolumeStatsResponse.js';
import type { NodeExpandVolumeResponse__Output } from '../../../src/csi/gen/csi/v1/NodeExpandVolumeResponse.js';
import type { VolumeCapability } from '../../../src/csi/gen/csi/v1/VolumeCapability.js';
import { ask } from '../../../src/dev/driver/csi-client.js';
import { run } from '../../../src/host/process/exec.js';
import { unmount } from '../../../src/host/mount/mount.js';
import { Deadline } from '../../../src/model/deadline.js';
import { PARAMETERS, type Node } from './driver.js';
import { session } from './session.js';

/** As kubelet and the sidecars, which wait two minutes, ms. */
const RPC_MS = 120_000;
const inTime = (ms = RPC_MS): { deadline: number } => ({ deadline: Date.now() + ms });

const secretsOf = (role: 'controller' | 'node'): Record<string, string> => ({
  userID: session.users[role].id,
  userKey: session.users[role].key,
});

export const mount = (fsType: string): VolumeCapability => ({
  mount: { fsType, mountFlags: [] },
  accessMode: { mode: 'SINGLE_NODE_MULTI_WRITER' },
});
export const block: VolumeCapability = { block: {}, accessMode: { mode: 'SINGLE_NODE_MULTI_WRITER' } };

export class Volume {
  readonly id: string;
  readonly staging: string;
  readonly #node: Node;
  readonly #capability: VolumeCapability;
  readonly #context: Readonly<Record<string, string>>;
  #published: Readonly<Record<string, string>> = {};

  private constructor(node: Node, capability: VolumeCapability, id: string, context: Readonly<Record<string, string>>) {
    this.id = id;
    this.staging = path.join(node.directory, 'staging', id.replaceAll('/', '~'));
    this.#node = node;
    this.#capability = capability;
    this.#context = context;
  }

  /** CreateVolume, with a name of its own where none is given. */
  static async create(
    node: Node,
    capability: VolumeCapability,
    sizeBytes: number,
    parameters: object,
    name = `vm-${randomBytes(4).toString('hex')}`,
  ): Promise<Volume> {
    const request = {
      name,
      volumeCapabilities: [capability],
      parameters: { ...PARAMETERS, ...parameters },
      capacityRange: { requiredBytes: sizeBytes },
      secrets: secretsOf('controller'),
    };
    const { volume } = await ask<CreateVolumeResponse__Output>((done) =>
      node.client.controller.CreateVolume(request, inTime(), done),
    );
    if (volume === null) throw new TypeError('CreateVolume answered without a volume');
    return new Volume(node, capability, volume.volumeId, volume.volumeContext);
  }

  target(pod: string): string {
    return path.join(this.#node.directory, 'pods', pod, this.id.replaceAll('/', '~'), 'mount');
  }

  async attach(readonly = false): Promise<void> {
    const request = { volumeId: this.id, nodeId: this.#node.name, volumeContext: this.#context, readonly };
    const whole = { ...request, volumeCapability: this.#capability, secrets: secretsOf('controller') };
    const answer = await ask<ControllerPublishVolumeResponse__Output>((done) =>
      this.#node.client.controller.ControllerPublishVolume(whole, inTime(), done),
    );
    this.#published = answer.publishContext;
  }

  /** @param ms the caller's patience, as for the others below */
  async stage(ms?: number, other: Partial<NodeStageVolumeRequest> = {}): Promise<void> {
    await mkdir(this.staging, { recursive: true });
    const request = { ...this.#onNode('node'), stagingTargetPath: this.staging, ...other };
    await ask((done) => this.#node.client.node.NodeStageVolume(request, inTime(ms), done));
  }

  /** The target path. */
  async publish(pod = 'pod', readonly = false): Promise<string> {
    const targetPath = this.target(pod);
    await mkdir(path.dirname(targetPath), { recursive: true });
    const request = { ...this.#onNode('node'), stagingTargetPath: this.staging, targetPath, readonly };
    await ask((done) => this.#node.client.node.NodePublishVolume(request, inTime(), done));
    return targetPath;
  }

  /** Attach, stage and publish. */
  async bring(): Promise<string> {
    await this.attach();
    await this.stage();
    return this.publish();
  }

  /** Both halves; NodeExpandVolume comes without secrets, as Kubernetes sends it. The bytes that the node answers. */
  async expand(requiredBytes: number, pod = 'pod'): Promise<number> {
    await this.expandImage(requiredBytes);
    return this.expandHere(requiredBytes, this.target(pod));
  }

  /** ControllerExpandVolume, which has to ask for the node's half. */
  async expandImage(requiredBytes: number): Promise<void> {
    const range = { volumeId: this.id, capacityRange: { requiredBytes }, volumeCapability: this.#capability };
    const { nodeExpansionRequired } = await ask<ControllerExpandVolumeResponse__Output>((done) => {
      const request = { ...range, secrets: secretsOf('controller') };
      this.#node.client.controller.ControllerExpandVolume(request, inTime(), done);
    });
    if (!nodeExpansionRequired) throw new Error('the node was not asked to expand');
  }

  /** NodeExpandVolume. */
  async expandHere(requiredBytes: number, volumePath = this.target('pod')): Promise<number> {
    const range = { volumeId: this.id, capacityRange: { requiredBytes }, volumeCapability: this.#capability };
    const request = { ...range, volumePath, stagingTargetPath: this.staging };
    const { capacityBytes } = await ask<NodeExpandVolumeResponse__Output>((done) =>
      this.#node.client.node.NodeExpandVolume(request, inTime(), done),
    );
    return Number(capacityBytes);
  }

  /** NodeGetVolumeStats at the pod's path: total bytes. */
  async stats(pod = 'pod', ms?: number): Promise<number> {
    const request = { volumeId: this.id, volumePath: this.target(pod), stagingTargetPath: this.staging };
    const { usage } = await ask<NodeGetVolumeStatsResponse__Output>((done) =>
      this.#node.client.node.NodeGetVolumeStats(request, inTime(ms), done),
    );
    return Number(usage[0]?.total ?? 0);
  }

  async unpublish(pod = 'pod', ms?: number): Promise<void> {
    const request = { volumeId: this.id, targetPath: this.target(pod) };
    await ask((done) => this.#node.client.node.NodeUnpublishVolume(request, inTime(ms), done));
  }

  async unstage(ms?: number): Promise<void> {
    const request = { volumeId: this.id, stagingTargetPath: this.staging };
    await ask((done) => this.#node.client.node.NodeUnstageVolume(request, inTime(ms), done));
  }

  /** What the node would do first of an unstage, and no more. */
  async unmountOnly(): Promise<void> {
    await unmount(run, this.staging, Deadline.after(RPC_MS));
  }

  async detach(): Promise<void> {
    const request = { volumeId: this.id, nodeId: this.#node.name, secrets: secretsOf('controller') };
    await ask((done) => this.#node.client.controller.ControllerUnpublishVolume(request, inTime(), done));
    this.#published = {};
  }

  /** As the attacher, which repeats a detach: Ceph forgets a client that said nothing after some 30 s. */
  async detachInTime(): Promise<void> {
    const until = performance.now() + RPC_MS;
    for (;;) {
      try {
        await this.detach();
        return;
      } catch (error) {
        const { code } = error as ServiceError;
        const mayComeAgain = code === status.ABORTED || code === status.UNAVAILABLE;
        if (!mayComeAgain || performance.now() > until) throw error;
      }
      await sleep(1_000);
    }
  }

  async leave(...pods: string[]): Promise<void> {
    for (const pod of pods.length === 0 ? ['pod'] : pods) await this.unpublish(pod);
    await this.unstage();
    await this.detach();
  }

  async remove(): Promise<void> {
    const request = { volumeId: this.id, secrets: secretsOf('controller') };
    await ask((done) => this.#node.client.controller.DeleteVolume(request, inTime(), done));
  }

  #onNode(role: 'node') {
    const { id: volumeId } = this;
    const context = { volumeContext: this.#context, publishContext: this.#published };
    return { volumeId, ...context, volumeCapability: this.#capability, secrets: secretsOf(role) };
  }
}
