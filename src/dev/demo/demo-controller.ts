/**
 * The controller's side of the demo's conversation: what external-provisioner, external-attacher and external-resizer
 * would send.
 */
import { status, type ServiceError } from '@grpc/grpc-js';
import type { ControllerExpandVolumeResponse__Output } from '../../csi/gen/csi/v1/ControllerExpandVolumeResponse.js';
import type { ControllerPublishVolumeResponse__Output } from '../../csi/gen/csi/v1/ControllerPublishVolumeResponse.js';
import type { CreateSnapshotResponse__Output } from '../../csi/gen/csi/v1/CreateSnapshotResponse.js';
import type { CreateVolumeResponse__Output } from '../../csi/gen/csi/v1/CreateVolumeResponse.js';
import type { VolumeContentSource } from '../../csi/gen/csi/v1/VolumeContentSource.js';
import type { VolumeCapability } from '../../csi/gen/csi/v1/VolumeCapability.js';
import { ask, type CsiClient } from '../driver/csi-client.js';
import { CLUSTER_ID } from '../settings.js';
import { inTime, type Attached } from './demo-node.js';

export const CAPABILITY: VolumeCapability = {
  mount: { fsType: 'xfs', mountFlags: [] },
  accessMode: { mode: 'SINGLE_NODE_WRITER' },
};

export interface Volume {
  readonly volumeId: string;
  readonly volumeContext: Readonly<Record<string, string>>;
  readonly capability: VolumeCapability;
}

const isServiceError = (error: unknown): error is ServiceError => error instanceof Error && 'details' in error;

export class DemoController {
  readonly #client: CsiClient['controller'];
  readonly #secrets: Readonly<Record<string, string>>;

  constructor(client: CsiClient, secrets: Readonly<Record<string, string>>) {
    this.#client = client.controller;
    this.#secrets = secrets;
  }

  async create(name: string, pool: string, requiredBytes: number, from?: VolumeContentSource): Promise<Volume> {
    const parameters = {
      clusterID: CLUSTER_ID,
      pool,
      mounter: 'auto',
      'csi.storage.k8s.io/pvc/name': 'demo-claim',
      'csi.storage.k8s.io/pvc/namespace': 'default',
      'csi.storage.k8s.io/pv/name': name,
    };
    const request = { name, parameters, capacityRange: { requiredBytes }, secrets: this.#secrets };
    const source = from === undefined ? {} : { volumeContentSource: from };
    const whole = { ...request, ...source, volumeCapabilities: [CAPABILITY] };
    const { volume } = await ask<CreateVolumeResponse__Output>((done) =>
      this.#client.CreateVolume(whole, inTime(), done),
    );
    if (volume === null) throw new TypeError('CreateVolume answered without a volume');
    return { volumeId: volume.volumeId, volumeContext: volume.volumeContext, capability: CAPABILITY };
  }

  async attach({ volumeId, volumeContext, capability }: Volume, nodeId: string): Promise<Attached> {
    const request = { volumeId, nodeId, volumeContext, readonly: false, secrets: this.#secrets };
    const whole = { ...request, volumeCapability: capability };
    const { publishContext } = await ask<ControllerPublishVolumeResponse__Output>((done) =>
      this.#client.ControllerPublishVolume(whole, inTime(), done),
    );
    return { volumeId, volumeContext, publishContext, capability };
  }

  /** An attach that must be refused with FAILED_PRECONDITION and name the holder; returns the refusal's text. */
  async attachRefused(volume: Volume, nodeId: string, holder: string): Promise<string> {
    try {
      await this.attach(volume, nodeId);
    } catch (error) {
      if (isServiceError(error) && error.code === status.FAILED_PRECONDITION && error.details.includes(holder)) {
        return error.details;
      }
      throw error;
    }
    throw new Error(`${volume.volumeId} was attached to ${nodeId} although ${holder} has it`);
  }

  async detach(volumeId: string, nodeId: string): Promise<void> {
    const request = { volumeId, nodeId, secrets: this.#secrets };
    await ask((done) => this.#client.ControllerUnpublishVolume(request, inTime(), done));
  }

  async expand(volumeId: string, requiredBytes: number): Promise<void> {
    const request = { volumeId, capacityRange: { requiredBytes }, secrets: this.#secrets };
    const whole = { ...request, volumeCapability: CAPABILITY };
    await ask<ControllerExpandVolumeResponse__Output>((done) =>
      this.#client.ControllerExpandVolume(whole, inTime(), done),
    );
  }

  /** Answers the snapshot's id. */
  async snapshot(name: string, sourceVolumeId: string): Promise<string> {
    const request = { name, sourceVolumeId, secrets: this.#secrets };
    const { snapshot } = await ask<CreateSnapshotResponse__Output>((done) =>
      this.#client.CreateSnapshot(request, inTime(), done),
    );
    if (snapshot === null) throw new TypeError('CreateSnapshot answered without a snapshot');
    return snapshot.snapshotId;
  }

  async removeSnapshot(snapshotId: string): Promise<void> {
    const request = { snapshotId, secrets: this.#secrets };
    await ask((done) => this.#client.DeleteSnapshot(request, inTime(), done));
  }

  async remove(volumeId: string): Promise<void> {
    const request = { volumeId, secrets: this.#secrets };
    await ask((done) => this.#client.DeleteVolume(request, inTime(), done));
  }
}
