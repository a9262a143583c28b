/** Pods of one node as their callers start and end them: each call comes again, with growing pauses, until done. */
import { setTimeout as sleep } from 'node:timers/promises';
import { status, type ServiceError } from '@grpc/grpc-js';
import type { Driver } from '../csi/driver.js';
import { get, put } from '../csi/files.js';
import type { Secrets } from '../csi/volume.js';
import type { Kubelet } from '../reconcile/kubelet.js';
import { ext4 } from '../csi/capabilities.js';

/** What the kubelet gives a call, ms; its first pause and its longest. */
const TRY_MS = 120_000;
const PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 122_000;
/** With which a driver that has much to do may answer; any other refusal is final here. */
const COME_AGAIN = ['RESOURCE_EXHAUSTED', 'ABORTED', 'DEADLINE_EXCEEDED'];

export interface PodParts {
  readonly controller: Driver;
  readonly node: Driver;
  readonly kubelet: Kubelet;
  readonly secrets: Secrets;
  /** Tries that were told to come again, by what the driver said. */
  readonly repeats: Map<string, number>;
}

/** A pod with a volume of its own; undone in the order of its calls. */
export class Pod {
  readonly volumeId: string;
  readonly name: string;
  readonly #parts: PodParts;
  #publishContext: Record<string, string> = {};

  constructor(parts: PodParts, volumeId: string, name: string) {
    this.#parts = parts;
    this.volumeId = volumeId;
    this.name = name;
  }

  async #staged() {
    const { kubelet, secrets } = this.#parts;
    const { volumeId } = this;
    const stagingTargetPath = await kubelet.stage(volumeId);
    return { volumeId, stagingTargetPath, volumeCapability: ext4(), publishContext: this.#publishContext, secrets };
  }

  target(): Promise<string> {
    return this.#parts.kubelet.publish(this.name, 'pv', this.volumeId);
  }

  async attach(): Promise<void> {
    const { controller, node, secrets } = this.#parts;
    const request = { volumeId: this.volumeId, nodeId: node.nodeId, volumeCapability: ext4(), secrets };
    const { publishContext } = await this.#ask(() => controller.controller.ControllerPublishVolume(request, TRY_MS));
    this.#publishContext = publishContext;
  }

  /** NodeStage and NodePublish. */
  async start(): Promise<void> {
    const { node } = this.#parts;
    const staged = await this.#staged();
    await this.#ask(() => node.node.NodeStageVolume(staged, TRY_MS));
    const targetPath = await this.target();
    await this.#ask(() => node.node.NodePublishVolume({ ...staged, targetPath }, TRY_MS));
  }

  /** NodeUnpublish and NodeUnstage. */
  async end(): Promise<void> {
    const { node } = this.#parts;
    const { volumeId, stagingTargetPath } = await this.#staged();
    const targetPath = await this.target();
    await this.#ask(() => node.node.NodeUnpublishVolume({ volumeId, targetPath }, TRY_MS));
    await this.#ask(() => node.node.NodeUnstageVolume({ volumeId, stagingTargetPath }, TRY_MS));
  }

  async detach(): Promise<void> {
    const { controller, node, secrets } = this.#parts;
    const { volumeId } = this;
    const request = { volumeId, nodeId: node.nodeId, secrets };
    await this.#ask(() => controller.controller.ControllerUnpublishVolume(request, TRY_MS));
  }

  async delete(): Promise<void> {
    const { controller, secrets } = this.#parts;
    const { volumeId } = this;
    await this.#ask(() => controller.controller.DeleteVolume({ volumeId, secrets }, TRY_MS));
  }

  async write(): Promise<void> {
    await put(await this.target(), this.volumeId);
  }

  async hasWritten(): Promise<boolean> {
    return (await get(await this.target())) === this.volumeId;
  }

  async #ask<T>(call: () => Promise<T>): Promise<T> {
    const { repeats } = this.#parts;
    for (let pause = PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        return await call();
      } catch (error) {
        const { code = status.UNKNOWN, details = '' } = error as Partial<ServiceError>;
        if (!COME_AGAIN.includes(status[code])) throw error;
        const said = `${status[code]} ${/^BERTH_\w+/.exec(details)?.[0] ?? ''}`.trim();
        repeats.set(said, (repeats.get(said) ?? 0) + 1);
      }
      await sleep(pause);
    }
  }
}

/** All of them at once; a failure is told when all have ended. Milliseconds. */
export async function atOnce(pods: readonly Pod[], act: (pod: Pod) => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  const ends = await Promise.allSettled(pods.map(act));
  const failures = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as Error] : []));
  if (failures.length > 0)
    throw new AggregateError(failures, `${failures.length} of ${pods.length}: ${String(failures[0])}`);
  return performance.now() - begun;
}
