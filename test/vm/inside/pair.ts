/** One raw volume and the two nodes that may have it: this guest's, and the peer's, which is asked through the host. */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status, type ServiceError } from '@grpc/grpc-js';
import type { ControllerPublishVolumeResponse__Output } from '../../../src/csi/gen/csi/v1/ControllerPublishVolumeResponse.js';
import type { CreateVolumeResponse__Output } from '../../../src/csi/gen/csi/v1/CreateVolumeResponse.js';
import type { VolumeCapability } from '../../../src/csi/gen/csi/v1/VolumeCapability.js';
import { ask } from '../../../src/dev/driver/csi-client.js';
import { PEER } from '../wire.js';
import { PARAMETERS, type Node } from './driver.js';
import { host } from './host.js';
import { session } from './session.js';

/** A sidecar's patience with one call, ms. */
const RPC_MS = 60_000;
const capability: VolumeCapability = { block: {}, accessMode: { mode: 'SINGLE_NODE_WRITER' } };
const secretsOf = (role: 'controller' | 'node') => ({
  userID: session.users[role].id,
  userKey: session.users[role].key,
});
const inTime = (): { deadline: number } => ({ deadline: Date.now() + RPC_MS });

export type Place = 'here' | 'peer';

export class PairVolume {
  readonly id: string;
  readonly #node: Node;
  readonly #context: Readonly<Record<string, string>>;
  #published: Readonly<Record<string, string>> = {};

  private constructor(node: Node, id: string, context: Readonly<Record<string, string>>) {
    this.id = id;
    this.#node = node;
    this.#context = context;
  }

  static async create(node: Node, requiredBytes: number): Promise<PairVolume> {
    const request = {
      name: `pair-${randomBytes(4).toString('hex')}`,
      volumeCapabilities: [capability],
      parameters: { ...PARAMETERS, mounter: 'krbd' },
      capacityRange: { requiredBytes },
      secrets: secretsOf('controller'),
    };
    const { volume } = await ask<CreateVolumeResponse__Output>((done) =>
      node.client.controller.CreateVolume(request, inTime(), done),
    );
    if (volume === null) throw new TypeError('CreateVolume answered without a volume');
    return new PairVolume(node, volume.volumeId, volume.volumeContext);
  }

  /** Where the pod of that node has the device. */
  targetOn(place: Place): string {
    return path.join(this.#directory(place), 'pod');
  }

  async attach(place: Place): Promise<void> {
    const request = { volumeId: this.id, nodeId: this.#nodeId(place), volumeContext: this.#context };
    const whole = { ...request, volumeCapability: capability, secrets: secretsOf('controller') };
    const answer = await ask<ControllerPublishVolumeResponse__Output>((done) =>
      this.#node.client.controller.ControllerPublishVolume(whole, inTime(), done),
    );
    this.#published = answer.publishContext;
  }

  /** Stage and publish; the device's path. */
  async show(place: Place): Promise<string> {
    const directory = this.#directory(place);
    if (place === 'here') await mkdir(directory, { recursive: true });
    else await host.askPeer('run', 'mkdir', '-p', directory);
    const request = {
      ...{ volumeId: this.id, volumeContext: this.#context, publishContext: this.#published },
      ...{ volumeCapability: capability, stagingTargetPath: `${directory}/staging`, secrets: secretsOf('node') },
    };
    await this.#call(place, 'NodeStageVolume', request);
    await this.#call(place, 'NodePublishVolume', { ...request, targetPath: this.targetOn(place) });
    return this.targetOn(place);
  }

  async hide(place: Place): Promise<void> {
    const stagingTargetPath = `${this.#directory(place)}/staging`;
    await this.#call(place, 'NodeUnpublishVolume', { volumeId: this.id, targetPath: this.targetOn(place) });
    await this.#call(place, 'NodeUnstageVolume', { volumeId: this.id, stagingTargetPath });
  }

  /** One try; an attacher takes only a success for detached. */
  async detach(place: Place): Promise<void> {
    const request = { volumeId: this.id, nodeId: this.#nodeId(place), secrets: secretsOf('controller') };
    await ask((done) => this.#node.client.controller.ControllerUnpublishVolume(request, inTime(), done));
  }

  /** Again and again, as an attacher does; ms until it succeeded. */
  async detachAtLast(place: Place, patienceMs: number): Promise<number> {
    const begun = performance.now();
    for (;;) {
      try {
        await this.detach(place);
        return performance.now() - begun;
      } catch (error) {
        const isFinal = (error as ServiceError).code === status.INVALID_ARGUMENT;
        if (isFinal || performance.now() - begun > patienceMs) throw error;
      }
      await sleep(500);
    }
  }

  async remove(): Promise<void> {
    const request = { volumeId: this.id, secrets: secretsOf('controller') };
    await ask((done) => this.#node.client.controller.DeleteVolume(request, inTime(), done));
  }

  async #call(place: Place, method: NodeMethod, request: object): Promise<void> {
    if (place === 'peer') await host.askPeer('rpc', method, JSON.stringify(request), String(RPC_MS));
    else await ask((done) => this.#node.client.node[method](request, inTime(), done));
  }

  #nodeId(place: Place): string {
    return place === 'peer' ? PEER : this.#node.name;
  }

  #directory(place: Place): string {
    return path.join(session.state, place, this.id.replaceAll('/', '~'));
  }
}

type NodeMethod = 'NodeStageVolume' | 'NodePublishVolume' | 'NodeUnpublishVolume' | 'NodeUnstageVolume';
