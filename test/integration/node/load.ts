/**
 * Random lives of volumes, many at a time, through two controllers and one node: every call is repeated as kubelet and
 * sidecars do it, whatever is killed meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { status, type ServiceError } from '@grpc/grpc-js';
import type { VolumeCapability } from '../../../src/csi/gen/csi/v1/VolumeCapability.js';
import { block, bytes, ext4, MiB, SMALL_BYTES, xfs, XFS_BYTES } from '../csi/capabilities.js';
import type { Services } from '../csi/calls.js';
import type { Driver } from '../csi/driver.js';
import { get, hasSector, put, putSector } from '../csi/files.js';
import type { Site } from '../csi/site.js';
import { workersOf } from './footprint.js';

/** How long a call is repeated, and how long one try may take, in ms: a client that died is Ceph's for 30 s. */
const PATIENCE_MS = 180_000;
const TRY_MS = 20_000;
const PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;
/** Answers that no caller repeats, or that say that Berth has a fault. */
const FINAL = ['INVALID_ARGUMENT', 'ALREADY_EXISTS', 'OUT_OF_RANGE', 'UNIMPLEMENTED', 'DATA_LOSS', 'UNKNOWN'];

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Kind {
  readonly capability: VolumeCapability;
  readonly sizeBytes: number;
  readonly grows: boolean;
}

/** xfs is made seldom, for it is the largest. The growth of a mounted ext4 needs what containers lack; see test/vm. */
const KINDS: readonly Kind[] = [
  { capability: ext4(), sizeBytes: SMALL_BYTES, grows: false },
  { capability: ext4(), sizeBytes: SMALL_BYTES, grows: false },
  { capability: block(), sizeBytes: SMALL_BYTES, grows: true },
  { capability: xfs(), sizeBytes: XFS_BYTES, grows: true },
];

export interface Counts {
  lives: number;
  calls: number;
  /** Tries that were told to come again. */
  repeats: number;
  kills: number;
}

export class Load {
  readonly counts: Counts = { lives: 0, calls: 0, repeats: 0, kills: 0 };
  readonly #site: Site;
  readonly #controllers: readonly Driver[];
  readonly #node: Driver;
  readonly #random: () => number;

  constructor(site: Site, controllers: readonly Driver[], node: Driver, random: () => number) {
    this.#site = site;
    this.#controllers = controllers;
    this.#node = node;
    this.#random = random;
  }

  /** One volume from its create to its delete, with one or two stays on the node; its data is what was written. */
  async life(): Promise<void> {
    const { capability, sizeBytes, grows } = this.#pick(KINDS);
    const request = this.#site.request(capability, { sizeBytes });
    const made = await this.#ask('CreateVolume', this.#controllers, (to) =>
      to.controller.CreateVolume(request, TRY_MS),
    );
    const volume: Volume = {
      volumeId: made.volume!.volumeId,
      volumeCapability: capability,
      sizeBytes,
      text: undefined,
    };
    const stays = this.#random() < 0.3 ? 2 : 1;
    for (let stay = 0; stay < stays; stay += 1) await this.#stay(volume, grows && this.#random() < 0.4);
    const { secrets } = request;
    await this.#ask('DeleteVolume', this.#controllers, (to) =>
      to.controller.DeleteVolume({ volumeId: volume.volumeId, secrets: secrets ?? {} }, TRY_MS),
    );
    this.counts.lives += 1;
  }

  /** Attach to detach; some pods never come further than one of the steps. */
  async #stay(volume: Volume, grows: boolean): Promise<void> {
    const { volumeId, volumeCapability } = volume;
    const nodeId = this.#node.nodeId;
    const secrets = this.#site.secrets();
    const { publishContext } = await this.#ask('ControllerPublishVolume', this.#controllers, (to) =>
      to.controller.ControllerPublishVolume({ volumeId, nodeId, volumeCapability, secrets }, TRY_MS),
    );
    if (this.#random() < 0.9) {
      const stagingTargetPath = await this.#node.stagingPath(volumeId);
      const brought = { volumeId, stagingTargetPath, volumeCapability, publishContext, secrets };
      await this.#onNode('NodeStageVolume', (to) => to.node.NodeStageVolume(brought, TRY_MS));
      if (grows) await this.#grow(volume, brought);
      for (const pod of this.#random() < 0.2 ? ['one', 'two'] : ['one']) await this.#pod(volume, brought, pod);
      await this.#onNode('NodeUnstageVolume', (to) =>
        to.node.NodeUnstageVolume({ volumeId, stagingTargetPath }, TRY_MS),
      );
    }
    await this.#ask('ControllerUnpublishVolume', this.#controllers, (to) =>
      to.controller.ControllerUnpublishVolume({ volumeId, nodeId, secrets }, TRY_MS),
    );
  }

  async #pod(volume: Volume, brought: Brought, pod: string): Promise<void> {
    const { volumeId } = volume;
    const targetPath = await this.#node.targetPath(volumeId, pod);
    await this.#onNode('NodePublishVolume', (to) => to.node.NodePublishVolume({ ...brought, targetPath }, TRY_MS));
    const isRaw = volume.volumeCapability.mount === undefined;
    const { text } = volume;
    if (text !== undefined) {
      const isThere = isRaw ? await hasSector(targetPath, 0, text) : (await get(targetPath)) === text;
      if (!isThere) throw new Error(`${volumeId}: what was written there is gone`);
    }
    volume.text = `${volumeId} ${this.#random()}`;
    await (isRaw ? putSector(targetPath, 0, volume.text) : put(targetPath, volume.text));
    await this.#onNode('NodeUnpublishVolume', (to) => to.node.NodeUnpublishVolume({ volumeId, targetPath }, TRY_MS));
  }

  async #grow(volume: Volume, { stagingTargetPath }: Brought): Promise<void> {
    const { volumeId, volumeCapability } = volume;
    volume.sizeBytes += 16 * MiB;
    const { requiredBytes } = bytes(volume.sizeBytes);
    const asked = { volumeId, volumeCapability, capacityRange: { requiredBytes }, secrets: this.#site.secrets() };
    await this.#ask('ControllerExpandVolume', this.#controllers, (to) =>
      to.controller.ControllerExpandVolume(asked, TRY_MS),
    );
    const there = { ...asked, volumePath: stagingTargetPath, stagingTargetPath };
    await this.#onNode('NodeExpandVolume', (to) => to.node.NodeExpandVolume(there, TRY_MS));
  }

  /** Kill a driver, or one of its workers, and start the driver again. */
  async kill(): Promise<void> {
    const driver = this.#pick([...this.#controllers, this.#node]);
    this.counts.kills += 1;
    if (this.#random() < 0.5) {
      for (const worker of await workersOf(driver)) process.kill(worker, 'SIGKILL');
      return;
    }
    await driver.stop('SIGKILL');
    await driver.start('listening');
  }

  #onNode<T>(what: string, call: (to: Services) => Promise<T>): Promise<T> {
    return this.#ask(what, [this.#node], call);
  }

  /** Again while it may be, with the growing pauses of a sidecar; of several drivers any one is asked. */
  async #ask<T>(what: string, drivers: readonly Driver[], call: (to: Services) => Promise<T>): Promise<T> {
    const last = performance.now() + PATIENCE_MS;
    this.counts.calls += 1;
    for (let pause = PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      const driver = this.#pick(drivers);
      const again = this.#random() < 0.1;
      try {
        // Some callers send it twice.
        const [answer] = await Promise.all([call(driver.calls), again ? call(driver.calls) : undefined]);
        return answer;
      } catch (error) {
        const said = whyAgain(error);
        if (said === undefined || performance.now() > last)
          throw new Error(`${what}: ${String(error)}`, { cause: error });
        this.counts.repeats += 1;
      }
      await sleep(pause * (0.5 + this.#random()));
    }
  }

  #pick<T>(all: readonly T[]): T {
    return all[Math.floor(this.#random() * all.length)]!;
  }
}

interface Volume {
  readonly volumeId: string;
  readonly volumeCapability: VolumeCapability;
  sizeBytes: number;
  /** What was last written into it. */
  text: string | undefined;
}

interface Brought {
  readonly volumeId: string;
  readonly stagingTargetPath: string;
  readonly volumeCapability: VolumeCapability;
  readonly publishContext: Readonly<Record<string, string>>;
}

/** The status, where the caller comes again; undefined for what is final, or a fault of Berth's. */
function whyAgain(error: unknown): string | undefined {
  const { code, details = '' } = error as Partial<ServiceError>;
  // Between a kill and the start.
  if (code === undefined) return String(error).includes('does not run') ? 'does not run' : undefined;
  const name = status[code];
  return FINAL.includes(name) || details.includes('BERTH_INTERNAL') ? undefined : name;
}
