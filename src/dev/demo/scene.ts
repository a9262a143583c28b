/** What the demo's chapters share: who takes part, and steps that several of them take. */
import { createHash } from 'node:crypto';
import { readFile, statfs } from 'node:fs/promises';
import path from 'node:path';
import { mountAt } from '../../host/mount/mountinfo.js';
import type { Admin } from '../ceph/admin.js';
import type { DemoController, Volume } from './demo-controller.js';
import type { Attached, DemoNode } from './demo-node.js';
import type { Seen, Table } from './table.js';

export const MIB = 2 ** 20;

export interface Scene {
  readonly table: Table;
  readonly admin: Admin;
  readonly pool: string;
  readonly controller: DemoController;
  readonly one: DemoNode;
  readonly two: DemoNode;
  /** Between steps: throws once the demo was asked to end. */
  readonly checkpoint: () => void;
}

/** Of the file that the demo writes: enough of its sum to tell one from another. */
export const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex').slice(0, 16);

export const payloadOf = (node: DemoNode): string => path.join(node.target, 'payload');
export const sumAt = async (node: DemoNode): Promise<string> => sha256(await readFile(payloadOf(node)));

/** What a filesystem says of itself. */
export async function df(target: string): Promise<string> {
  const { blocks, bsize, bavail } = await statfs(target);
  return `${Math.round((blocks * bsize) / MIB)} MiB, ${Math.round((bavail * bsize) / MIB)} MiB free`;
}

export class Story {
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  async step(name: string, work: () => Promise<string | undefined>): Promise<void> {
    this.#scene.checkpoint();
    await this.#scene.table.step(name, async () => (await work()) ?? '');
  }

  /** A step whose work brings something for those that follow. */
  bring<T>(name: string, work: () => Promise<readonly [T, Seen]>): Promise<T> {
    this.#scene.checkpoint();
    return this.#scene.table.bring(name, work);
  }

  async attach(volume: Volume, node: DemoNode): Promise<Attached> {
    return this.bring(`attach to ${node.name}`, async () => [
      await this.#scene.controller.attach(volume, await node.id()),
      '',
    ]);
  }

  async mount(node: DemoNode, attached: Attached): Promise<void> {
    await this.step(`stage on ${node.name}`, async () => {
      await node.stage(attached);
      return (await mountAt(node.staging))?.source;
    });
    await this.step(`publish on ${node.name}`, async () => {
      await node.publish(attached);
      return df(node.target);
    });
  }

  async unmount(node: DemoNode, nodeId: string, volumeId: string): Promise<void> {
    const { controller } = this.#scene;
    await this.step(`unpublish, unstage on ${node.name}`, async () => {
      await node.unpublish(volumeId);
      await node.unstage(volumeId);
      return undefined;
    });
    await this.step(`detach from ${node.name}`, async () => {
      await controller.detach(volumeId, nodeId);
      return undefined;
    });
  }
}
