/**
 * One node of the demo: a driver process with its own socket, state and paths, and kubelet's part of the CSI
 * conversation with it.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { NodeExpandVolumeResponse__Output } from '../../csi/gen/csi/v1/NodeExpandVolumeResponse.js';
import type { NodeGetInfoResponse__Output } from '../../csi/gen/csi/v1/NodeGetInfoResponse.js';
import type { VolumeCapability } from '../../csi/gen/csi/v1/VolumeCapability.js';
import type { Deadline } from '../../model/deadline.js';
import { ask, csiClient, type CsiClient } from '../driver/csi-client.js';
import { startDriver, type Driver, type DriverOptions } from '../driver/start-driver.js';

export const RPC_MS = 60_000;
export const inTime = (): { deadline: number } => ({ deadline: Date.now() + RPC_MS });

export interface DemoNodeOptions {
  /** Everything of the node lies below it, named after the node. */
  readonly directory: string;
  readonly name: string;
  readonly clustersFile: string;
  readonly services: DriverOptions['services'];
  /** userID and userKey for the node's calls. */
  readonly secrets: Readonly<Record<string, string>>;
  /** More of the driver's own options. */
  readonly options?: readonly string[];
}

/** What the controller said of an attached volume, handed to the node as kubelet does. */
export interface Attached {
  readonly volumeId: string;
  readonly volumeContext: Readonly<Record<string, string>>;
  readonly publishContext: Readonly<Record<string, string>>;
  readonly capability: VolumeCapability;
}

const recordsOf = ({ directory, name }: DemoNodeOptions): string => path.join(directory, `${name}-kata-records`);

export class DemoNode {
  readonly name: string;
  readonly staging: string;
  readonly target: string;
  /** Where the driver keeps records for Kata's runtimes. */
  readonly kataRecords: string;
  readonly client: CsiClient;
  readonly #driver: Driver;
  readonly #secrets: Readonly<Record<string, string>>;

  private constructor(options: DemoNodeOptions, socket: string, driver: Driver) {
    this.name = options.name;
    this.staging = path.join(options.directory, `${options.name}-staging`);
    this.target = path.join(options.directory, `${options.name}-pod`, 'mount');
    this.kataRecords = recordsOf(options);
    this.client = csiClient(`unix://${socket}`);
    this.#driver = driver;
    this.#secrets = options.secrets;
  }

  /** Start the driver and wait until it is ready; BERTH_DRIVER_DIED, DEADLINE. */
  static async start(options: DemoNodeOptions, deadline: Deadline): Promise<DemoNode> {
    const at = (suffix: string): string => path.join(options.directory, `${options.name}${suffix}`);
    const { name: nodeId, clustersFile, services } = options;
    const socket = at('.sock');
    const files = { socket, stateDir: at('-state'), logFile: at('.log') };
    const more = ['--kata-records', recordsOf(options), ...(options.options ?? [])];
    const driver = await startDriver({ nodeId, clustersFile, services, ...files, options: more });
    const node = new DemoNode(options, socket, driver);
    try {
      await driver.ready(deadline);
    } catch (error) {
      await node.stop();
      throw error;
    }
    return node;
  }

  /** The id under which the controller knows this node. */
  async id(): Promise<string> {
    const answer = await ask<NodeGetInfoResponse__Output>((done) => this.client.node.NodeGetInfo({}, inTime(), done));
    return answer.nodeId;
  }

  async stage({ volumeId, volumeContext, publishContext, capability }: Attached): Promise<void> {
    await mkdir(this.staging, { recursive: true });
    const request = { volumeId, volumeContext, publishContext, stagingTargetPath: this.staging };
    const whole = { ...request, volumeCapability: capability, secrets: this.#secrets };
    await ask((done) => this.client.node.NodeStageVolume(whole, inTime(), done));
  }

  async publish({ volumeId, volumeContext, publishContext, capability }: Attached): Promise<void> {
    await mkdir(path.dirname(this.target), { recursive: true });
    const request = {
      volumeId,
      volumeContext,
      publishContext,
      stagingTargetPath: this.staging,
      targetPath: this.target,
    };
    const whole = { ...request, volumeCapability: capability, readonly: false, secrets: this.#secrets };
    await ask((done) => this.client.node.NodePublishVolume(whole, inTime(), done));
  }

  async expand({ volumeId, capability }: Attached, requiredBytes: number): Promise<void> {
    const request = { volumeId, volumePath: this.target, stagingTargetPath: this.staging };
    const whole = { ...request, capacityRange: { requiredBytes }, volumeCapability: capability };
    await ask<NodeExpandVolumeResponse__Output>((done) => this.client.node.NodeExpandVolume(whole, inTime(), done));
  }

  async unpublish(volumeId: string): Promise<void> {
    const request = { volumeId, targetPath: this.target };
    await ask((done) => this.client.node.NodeUnpublishVolume(request, inTime(), done));
  }

  async unstage(volumeId: string): Promise<void> {
    const request = { volumeId, stagingTargetPath: this.staging };
    await ask((done) => this.client.node.NodeUnstageVolume(request, inTime(), done));
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.#driver.stop();
  }
}
