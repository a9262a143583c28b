/** A database in virtual machines of hyperd, whose QEMU opens the image by FlexVolume's hand-over file. */
import { mkdir, readFile, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest';
import { mountJson, podDirectory, type KubeletPod } from '../../src/dev/flexvolume/kubelet-pod.js';
import { plugOf } from '../../src/dev/guest/hyperd-plug.js';
import { say } from '../../src/dev/say.js';
import { GuestPods } from '../../src/dev/workload/guest-pods.js';
import { mariadbTree, type MariadbTree } from '../../src/dev/workload/mariadb-tree.js';
import { HAND_OVER_FILE } from '../../src/sandbox/hyperd/hand-over-file.js';
import { ext4, MiB } from '../integration/csi/capabilities.js';
import type { Driver } from '../integration/csi/driver.js';
import type { Volume } from '../integration/csi/volume.js';
import { FencingController } from '../integration/fencing/fencing-controller.js';
import { FlexNode } from '../integration/flexvolume/flex-node.js';
import { cases } from './cases.js';
import { Database } from './database.js';
import type { Way } from './way.js';

const DRIVER = 'hyper~cephrbd';
/** Ceph forgets a client that died after about 30 s; more on a busy machine, ms. */
const FORGOTTEN_MS = 120_000;

class HyperdWay implements Way {
  readonly some = 40;
  readonly one: Driver;
  readonly two: Driver;
  readonly controller: FencingController;
  readonly #flex: FlexNode;
  readonly #guests: GuestPods;
  readonly #mariadb: MariadbTree;
  readonly #mounted = new Map<KubeletPod, { readonly volume: Volume; readonly on: Driver }>();
  readonly #databases: Database[] = [];
  readonly #copies: (() => Promise<void>)[] = [];
  #serial = 0;

  private constructor(flex: FlexNode, guests: GuestPods, mariadb: MariadbTree) {
    this.#flex = flex;
    this.#guests = guests;
    this.#mariadb = mariadb;
    this.one = flex.driver;
    this.two = flex.newDriver('node-two');
    this.controller = new FencingController(flex.site);
  }

  static async open(): Promise<HyperdWay> {
    const mariadb = await mariadbTree(say);
    const flex = await FlexNode.open('dby', ['--reconcile-interval', '1']);
    const way = new HyperdWay(flex, await GuestPods.open(path.join(flex.site.directory, 'g'), mariadb, say), mariadb);
    await way.two.start();
    return way;
  }

  create(): Promise<Volume> {
    return this.#flex.create(undefined, 256 * MiB);
  }

  async start(volume: Volume, on: Driver): Promise<Database> {
    this.#serial += 1;
    const directory = path.join(this.#flex.site.directory, `p${this.#serial}`);
    await mkdir(directory);
    const pod = await this.#guests.hyperd(path.basename(directory), plugOf(await this.#mount(volume, on)));
    const database = await Database.open(pod, this.#mariadb.tree, path.join(directory, 'acknowledged'));
    this.#databases.push(database);
    // Whoever fences the node has to know the guest's client, which the node finds by its rounds.
    const recorded = (): Promise<string> => this.controller.clientOf(volume, on.nodeId).catch(() => 'none');
    await expect.poll(recorded, { timeout: FORGOTTEN_MS, interval: 500 }).not.toBe('none');
    return database;
  }

  /** The text of the hand-over file. */
  async #mount(volume: Volume, on: Driver): Promise<string> {
    const pod = { ...this.#flex.pod(volume.image), node: on.nodeId };
    const place = podDirectory(pod);
    await mkdir(place, { recursive: true, mode: 0o750 });
    const binary = await this.#flex.binary(DRIVER, false, on.name);
    const { answer } = await binary.run(['mount', place, mountJson(pod, '1.20')]);
    expect(answer).toEqual({ status: 'Success' });
    this.#mounted.set(pod, { volume, on });
    return readFile(path.join(place, HAND_OVER_FILE), 'utf8');
  }

  async leave(volume: Volume, on: Driver): Promise<void> {
    for (const [pod, at] of this.#mounted) if (at.volume === volume && at.on === on) await this.#unmount(pod, on);
  }

  /** Again until Ceph has forgotten the guest, as the kubelet does. */
  async #unmount(pod: KubeletPod, on: Driver): Promise<void> {
    const place = podDirectory(pod);
    const binary = await this.#flex.binary(DRIVER, false, on.name);
    const status = async (): Promise<string> => {
      const { answer } = await binary.run(['unmount', place]);
      return answer.status === 'Success' ? answer.status : (answer.message ?? '');
    };
    await expect.poll(status, { timeout: FORGOTTEN_MS, interval: 1_000 }).toBe('Success');
    await rmdir(place).catch(() => undefined);
    this.#mounted.delete(pod);
  }

  /** The guest is the client. */
  clientsOf(): Promise<readonly number[]> {
    return Promise.resolve([]);
  }

  /** By its administrator; the filesystem at the next mount. */
  async grow(volume: Volume, _: Driver, toBytes: number): Promise<void> {
    await this.#flex.site.rbd('resize', '--no-progress', '--size', `${toBytes / MiB}M`, volume.image);
  }

  /** By its administrator: FlexVolume knows no snapshots. */
  async copy(volume: Volume): Promise<Volume> {
    const { site } = this.#flex;
    const snapshot = `${volume.image}@moment`;
    const image = `${volume.image}-copy`;
    await site.rbd('snap', 'create', '--no-progress', snapshot);
    await site.rbd('snap', 'protect', snapshot);
    await site.rbd('clone', snapshot, image);
    this.#copies.push(async () => {
      await site.rbd('rm', '--no-progress', image);
      await site.rbd('snap', 'unprotect', snapshot);
      await site.rbd('snap', 'rm', '--no-progress', snapshot);
    });
    return site.adopt(`${volume.id}-copy`, ext4(), this.two);
  }

  async clear(): Promise<void> {
    for (const database of this.#databases.splice(0)) await database.kill();
    for (const [pod, { on }] of this.#mounted) await this.#unmount(pod, on);
    await this.controller.liftAll();
    for (const remove of this.#copies.splice(0)) await remove();
    await this.#flex.site.endVolumes();
    this.controller.views.clear();
  }

  async close(): Promise<void> {
    await this.controller.close();
    await this.#flex.close();
  }
}

let way: HyperdWay;

beforeAll(async () => {
  way = await HyperdWay.open();
});
afterEach(() => way.clear());
afterAll(() => way.close());

describe('MariaDB in a virtual machine of hyperd, by FlexVolume', () => cases(() => way));
