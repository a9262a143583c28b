/** The one image of the bench, as a raw device of CSI on this node, and as what hyperd's QEMU is told of it. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status, type ServiceError } from '@grpc/grpc-js';
import type { CreateVolumeResponse__Output } from '../../src/csi/gen/csi/v1/CreateVolumeResponse.js';
import { ask, csiClient, type CsiClient } from '../../src/dev/driver/csi-client.js';
import { plugOf, type Plug } from '../../src/dev/guest/hyperd-plug.js';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';
import { legacyMonitors } from '../../src/rbd/legacy-monitors.js';
import type { BenchCluster, Running } from '../bench-cluster.js';

const CALL_MS = 120_000;
const PAUSE_MS = 500;
const NODE = 'vm';
const CAPABILITY = { block: {}, accessMode: { mode: 'SINGLE_NODE_WRITER' } } as const;

/** As a kubelet, which comes again: whoever shared the volume with the guest closes it a moment later. */
async function whileBusy(unstage: () => Promise<unknown>, deadline: number): Promise<void> {
  for (;;) {
    try {
      await unstage();
      return;
    } catch (error) {
      if ((error as ServiceError).code !== status.FAILED_PRECONDITION || Date.now() > deadline) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

export class RawVolume {
  readonly #site: BenchCluster;
  readonly #running: Running;
  readonly #client: CsiClient;
  readonly #image: string;

  private constructor(site: BenchCluster, running: Running, client: CsiClient, image: string) {
    this.#site = site;
    this.#running = running;
    this.#client = client;
    this.#image = image;
  }

  /** @param mapper as the StorageClass' `mounter` names it; undefined for the one that the node chooses */
  static async make(site: BenchCluster, sizeBytes: number, mapper: string | undefined): Promise<RawVolume> {
    const running = await site.startDriver(NODE, { services: ['identity', 'controller', 'node'] });
    const client = csiClient(`unix://${running.socket}`);
    const parameters = {
      ...{ clusterID: 'dev', pool: 'hyper', radosNamespace: 'node' },
      ...(mapper === undefined ? {} : { mounter: mapper }),
    };
    const request = { name: 'vm', capacityRange: { requiredBytes: sizeBytes }, volumeCapabilities: [CAPABILITY] };
    const { volume } = await ask<CreateVolumeResponse__Output>((done) =>
      client.controller.CreateVolume({ ...request, parameters }, { deadline: Date.now() + CALL_MS }, done),
    );
    const image = volume?.volumeId.split('/').at(-1) ?? '';
    return new RawVolume(site, running, client, image);
  }

  get #volumeId(): string {
    return `dev/hyper/node/${this.#image}`;
  }

  get #target(): string {
    return path.join(this.#site.directory, 'raw/volume');
  }

  get #staging(): string {
    return path.join(this.#site.directory, 'raw/staging');
  }

  /** The device. */
  async bring(): Promise<string> {
    await mkdir(this.#staging, { recursive: true });
    const options = { deadline: Date.now() + CALL_MS };
    const { controller, node } = this.#client;
    const all = { volumeId: this.#volumeId, volumeCapability: CAPABILITY };
    await ask((done) => controller.ControllerPublishVolume({ ...all, nodeId: NODE }, options, done));
    const staged = { ...all, stagingTargetPath: this.#staging };
    await ask((done) => node.NodeStageVolume(staged, options, done));
    await ask((done) => node.NodePublishVolume({ ...staged, targetPath: this.#target }, options, done));
    return this.#target;
  }

  /** Nobody of this node has it open any more. */
  async leave(): Promise<void> {
    const volumeId = this.#volumeId;
    const options = { deadline: Date.now() + CALL_MS };
    const { controller, node } = this.#client;
    await ask((done) => node.NodeUnpublishVolume({ volumeId, targetPath: this.#target }, options, done));
    const unstage = (): Promise<unknown> =>
      ask((done) => node.NodeUnstageVolume({ volumeId, stagingTargetPath: this.#staging }, options, done));
    await whileBusy(unstage, options.deadline);
    await ask((done) => controller.ControllerUnpublishVolume({ volumeId, nodeId: NODE }, options, done));
  }

  /** What has mapped it last, by the name of its device: `loop`, `rbd`, `nbd`. */
  mapper = async (): Promise<string> => {
    const device = await this.bring();
    const { stdout } = await run('lsblk', ['--noheadings', '--nodeps', '--output', 'NAME', device], {
      deadline: Deadline.after(CALL_MS),
    });
    await this.leave();
    return stdout.trim().replace(/\d+$/, '');
  };

  /** As the hand-over file says it, which knows the older of Ceph's protocols alone. */
  async plug(): Promise<Plug> {
    const { monitors, users } = this.#site.cluster;
    const { id, key } = users.node;
    const image = { volumeID: this.#image, pool: 'hyper/node', fsType: 'ext4', user: id, keyring: key.reveal() };
    return plugOf(JSON.stringify({ cephRBDOptsData: { ...image, monitors: await legacyMonitors('dev', monitors) } }));
  }

  async close(): Promise<void> {
    this.#client.close();
    this.#running.client.close();
    await this.#running.driver.stop();
  }
}
