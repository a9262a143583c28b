/**
 * The real side of the node's model test: one driver that may be killed, three volumes, and what the kernel shows of
 * them.
 */
import { access, readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status, type ServiceError } from '@grpc/grpc-js';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { readMounts } from '../../../src/host/mount/mountinfo.js';
import { block, ext4, MiB, SMALL_BYTES, xfs, XFS_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { get, hasSector, put, putSector } from '../csi/files.js';
import type { Site } from '../csi/site.js';
import type { Volume } from '../csi/volume.js';
import { servedFiles } from './storage-daemon.js';

export type Call = 'stage' | 'unstage' | 'publish' | 'unpublish' | 'stats' | 'expand';
/** `OK` or the name of a gRPC status, with the refusal's text. */
export interface Outcome {
  readonly status: string;
  readonly text: string;
}

export const KINDS = [
  { name: 'xfs', capability: xfs(), sizeBytes: XFS_BYTES, grows: true },
  // Its online growth needs a capability that containers lack; test/vm has it.
  { name: 'ext4', capability: ext4(), sizeBytes: SMALL_BYTES, grows: false },
  { name: 'block', capability: block(), sizeBytes: SMALL_BYTES, grows: true },
] as const;
export const PODS = ['left', 'right'] as const;
const GROWTH = 16 * MiB;

interface Present {
  volume: Volume;
  sizeBytes: number;
  /** What was last written into it; undefined for a volume that nobody wrote to. */
  text: string | undefined;
}

export class System {
  readonly #site: Site;
  readonly driver: Driver;
  readonly present: Present[] = [];
  restarts = 0;

  constructor(site: Site, driver: Driver) {
    this.#site = site;
    this.driver = driver;
  }

  /** A new volume in the place of an old one, which must be nowhere. */
  async renew(index: number): Promise<void> {
    const { capability, sizeBytes } = KINDS[index]!;
    const old = this.present[index];
    if (old !== undefined) {
      await old.volume.detach(this.driver);
      await old.volume.delete();
    }
    const made = await this.driver.controller.CreateVolume(this.#site.request(capability, { sizeBytes }));
    const volume = this.#site.adopt(made.volume!.volumeId, capability, this.driver);
    await volume.attach(this.driver);
    this.present[index] = { volume, sizeBytes, text: undefined };
  }

  async end(): Promise<void> {
    for (const { volume } of this.present.splice(0)) {
      await volume.detach(this.driver);
      await volume.delete();
    }
  }

  async call(call: Call, index: number, pod: number, ms?: number): Promise<Outcome> {
    return (await this.prepared(call, index, pod))(ms);
  }

  /** The call, ready to be sent at once: a kill that comes some ms later is to meet it in the driver. */
  async prepared(call: Call, index: number, pod: number): Promise<(ms?: number) => Promise<Outcome>> {
    const { volume, sizeBytes } = this.present[index]!;
    const { node } = this.driver;
    const { id: volumeId, capability: volumeCapability, secrets } = volume;
    const stagingTargetPath = await this.driver.stagingPath(volumeId);
    const targetPath = await this.target(index, pod);
    const about = { volumeId, stagingTargetPath, volumeCapability, secrets };
    const capacityRange = { requiredBytes: String(sizeBytes) };
    const calls: Readonly<Record<Call, (ms?: number) => Promise<unknown>>> = {
      stage: (ms) => node.NodeStageVolume(about, ms),
      unstage: (ms) => node.NodeUnstageVolume({ volumeId, stagingTargetPath }, ms),
      publish: (ms) => node.NodePublishVolume({ ...about, targetPath }, ms),
      unpublish: (ms) => node.NodeUnpublishVolume({ volumeId, targetPath }, ms),
      stats: (ms) => node.NodeGetVolumeStats({ volumeId, volumePath: targetPath }, ms),
      expand: async (ms) => {
        const request = { ...about, volumePath: stagingTargetPath, capacityRange };
        const { capacityBytes } = await node.NodeExpandVolume(request, ms);
        if (Number(capacityBytes) !== sizeBytes)
          throw new Error(`${capacityBytes} bytes after growing to ${sizeBytes}`);
      },
    };
    return (ms) => calls[call](ms).then(() => ({ status: 'OK', text: '' }), outcomeOf);
  }

  /** The controller's half of an expansion: never interrupted here. */
  async growImage(index: number): Promise<void> {
    const present = this.present[index]!;
    present.sizeBytes += GROWTH;
    await present.volume.expand(present.sizeBytes);
  }

  /** Kill the plugin and start it again. */
  async crash(): Promise<void> {
    this.restarts += 1;
    await this.driver.stop('SIGKILL');
    await this.driver.start('listening');
  }

  async target(index: number, pod: number): Promise<string> {
    return this.driver.targetPath(this.present[index]!.volume.id, PODS[pod]!);
  }

  async write(index: number, pod: number, text: string): Promise<void> {
    const target = await this.target(index, pod);
    await (KINDS[index]!.name === 'block' ? putSector(target, 0, text) : put(target, text));
    this.present[index]!.text = text;
  }

  /** Is what was last written there? */
  async isIntact(index: number, pod: number): Promise<boolean> {
    const { text } = this.present[index]!;
    const target = await this.target(index, pod);
    if (text === undefined) return true;
    return KINDS[index]!.name === 'block' ? hasSector(target, 0, text) : (await get(target)) === text;
  }

  async devicesOf(index: number): Promise<readonly string[]> {
    const image = this.present[index]!.volume.id.split('/').at(-1)!;
    return (await findLoops()).filter(({ file }) => file.endsWith(`:${image}`)).map(({ device }) => device);
  }

  /** Mounts at exactly the staging path, and at each target. */
  async mountsOf(index: number): Promise<{ readonly staging: number; readonly targets: readonly number[] }> {
    const staging = await this.driver.stagingPath(this.present[index]!.volume.id);
    const targets = await Promise.all(PODS.map((_, pod) => this.target(index, pod)));
    const mounts = await readMounts();
    const count = (target: string) => mounts.filter((mount) => mount.target === target).length;
    return { staging: count(staging), targets: targets.map(count) };
  }

  async hasTargetPath(index: number, pod: number): Promise<boolean> {
    return access(await this.target(index, pod)).then(
      () => true,
      () => false,
    );
  }

  /** Everything that must not be there when nothing is staged: journal entries, served images, mapper files. */
  async leftOver(): Promise<readonly string[]> {
    const journal = (await readdir(path.join(this.driver.stateDir, 'journal'))).filter((name) =>
      name.endsWith('.json'),
    );
    return [...journal, ...(await servedFiles(this.driver))];
  }

  /** As kubelet does it: again while it is told that something runs or that time is over. */
  async insist(call: Call, index: number, pod: number): Promise<Outcome> {
    const last = performance.now() + 45_000;
    for (;;) {
      const outcome = await this.call(call, index, pod);
      const isOver = !['ABORTED', 'DEADLINE_EXCEEDED', 'UNAVAILABLE'].includes(outcome.status);
      if (isOver || performance.now() > last) return outcome;
      await sleep(50);
    }
  }
}

export function outcomeOf(error: unknown): Outcome {
  const { code, details } = error as Partial<ServiceError>;
  if (code === undefined) throw error;
  return { status: status[code], text: details ?? '' };
}
