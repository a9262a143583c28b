/**
 * Where one test file works: a rados namespace, a directory, driver processes and volumes of its own, all proved to be
 * gone at its end.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'vitest';
import { stringify } from 'yaml';
import type { CreateVolumeRequest } from '../../../src/csi/gen/csi/v1/CreateVolumeRequest.js';
import type { VolumeCapability } from '../../../src/csi/gen/csi/v1/VolumeCapability.js';
import { clearLeftovers } from '../../../src/dev/leftovers.js';
import { findProcesses } from '../../../src/dev/processes.js';
import { run } from '../../../src/host/process/exec.js';
import { findLoops } from '../../../src/dev/mapper/loop-device.js';
import { readMounts } from '../../../src/host/mount/mountinfo.js';
import { Deadline } from '../../../src/model/deadline.js';
import { withinDeadline } from '../../../src/model/time-limit.js';
import { isDeletedName } from '../../../src/volume/image/image-name.js';
import { admin, cluster, isolatedNamespace, scratchDirectory, type Place } from '../ceph.js';
import { bytes } from './capabilities.js';
import { Driver, type DriverOptions } from './driver.js';
import { PurgingController } from './purging-controller.js';
import { Volume, type Secrets } from './volume.js';

const soon = (): Deadline => Deadline.after(60_000);
/** What the end of a suite may take: longer than a purge is given, shorter than the hook of vitest, ms. */
const END_MS = 150_000;
const CLUSTER = 'dev';

export interface CreateOptions {
  readonly sizeBytes?: number;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly name?: string;
}

export class Site {
  readonly directory: string;
  readonly namespace: string;
  readonly pool: string;
  readonly #place: Place;
  readonly #drivers: Driver[] = [];
  readonly #volumes: Volume[] = [];
  readonly #kubelets: string[] = [];
  #serial = 0;

  private constructor(directory: string, place: Place) {
    this.directory = directory;
    this.#place = place;
    this.pool = place.pool;
    this.namespace = place.namespace;
  }

  /** @param label short: it stands in the namespace, the directory and every node id */
  static async open(label: string): Promise<Site> {
    const site = new Site(await scratchDirectory(label), await isolatedNamespace(label));
    await site.writeClusters();
    return site;
  }

  get clustersFile(): string {
    return path.join(this.directory, 'clusters.yaml');
  }

  get parameters(): Record<string, string> {
    return { clusterID: CLUSTER, pool: this.pool, radosNamespace: this.namespace };
  }

  secrets(role: 'controller' | 'node' = 'controller'): Secrets {
    const { id, key } = cluster().users[role];
    return { userID: id, userKey: key };
  }

  /** The clusters file with these places, or with other clusters before and after ours. */
  async writeClusters(
    {
      namespaces = [this.namespace],
      monitors = cluster().monitors,
    }: { namespaces?: readonly string[]; monitors?: readonly string[] } = {},
    { before = [], after = [] }: { before?: readonly object[]; after?: readonly object[] } = {},
    file = this.clustersFile,
  ): Promise<string> {
    const keys = path.join(this.directory, 'keys');
    await mkdir(keys, { recursive: true, mode: 0o700 });
    const users: Record<string, object> = {};
    for (const role of ['controller', 'node'] as const) {
      const keyFile = path.join(keys, role);
      await writeFile(keyFile, cluster().users[role].key, { mode: 0o600 });
      users[role] = { id: cluster().users[role].id, keyFile };
    }
    const pools = [{ name: this.pool, namespaces, flexVolume: { images: 'any', allowHostMount: true } }];
    // Nodes register outside of our namespace, so that it can be removed.
    const registry = { pool: this.pool, namespace: '' };
    const ours = { id: CLUSTER, monitors, pools, users, registry };
    await writeFile(file, stringify({ clusters: [...before, ours, ...after] }, { aliasDuplicateObjects: false }));
    return file;
  }

  /** A driver that does not run yet; `node-one` and `node-two` stand for two machines. */
  driver(name: string, options: Partial<Omit<DriverOptions, 'name' | 'directory'>> = {}): Driver {
    const { directory, clustersFile } = this;
    const driver = new Driver({ name, directory, clustersFile, nodeId: `${this.namespace}-${name}`, ...options });
    this.#drivers.push(driver);
    return driver;
  }

  /** The root of a kubelet, a shared mount with its directories, as a node has it; for the option --kubelet-dir. */
  async kubelet(name = 'kubelet'): Promise<string> {
    const root = path.join(this.directory, name);
    for (const one of ['pods', 'plugins']) await mkdir(path.join(root, one), { recursive: true });
    await run('mount', ['--bind', root, root], { deadline: soon() });
    this.#kubelets.push(root);
    await run('mount', ['--make-shared', root], { deadline: soon() });
    return root;
  }

  unique(label = 'vol'): string {
    this.#serial += 1;
    return `${label}-${this.#serial}-${randomBytes(3).toString('hex')}`;
  }

  request(capability: VolumeCapability, { sizeBytes, parameters, name }: CreateOptions = {}): CreateVolumeRequest {
    return {
      name: name ?? this.unique(),
      volumeCapabilities: [capability],
      parameters: { ...this.parameters, ...parameters },
      secrets: this.secrets(),
      ...(sizeBytes === undefined ? {} : { capacityRange: bytes(sizeBytes) }),
    };
  }

  async create(on: Driver, capability: VolumeCapability, options: CreateOptions = {}): Promise<Volume> {
    const { volume } = await on.controller.CreateVolume(this.request(capability, options));
    return this.track(volume!.volumeId, capability, on);
  }

  /** A volume by its id: made in another way, or to be ended with the others. */
  track(id: string, capability: VolumeCapability, on: Driver): Volume {
    const volume = new Volume(id, capability, on, this.secrets());
    this.#volumes.push(volume);
    return volume;
  }

  /** An image that is no volume of ours: whoever made it ends it. */
  adopt(id: string, capability: VolumeCapability, on: Driver): Volume {
    return new Volume(id, capability, on, this.secrets());
  }

  /** End every volume by the driver's own calls, whatever state a test left it in. */
  async endVolumes(): Promise<void> {
    const failures: unknown[] = [];
    for (const volume of this.#volumes.splice(0)) await volume.end().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw new AggregateError(failures, `volumes could not be ended: ${failures.join('; ')}`);
  }

  /** The rbd program as admin. */
  rbd(...args: string[]): Promise<string> {
    return admin().rbd(args, soon());
  }

  /** Names of the images in our namespace, as Ceph itself has them, without those of deleted volumes. */
  async images(): Promise<readonly string[]> {
    return (await this.#listed()).filter((name) => !isDeletedName(name));
  }

  /** Names of the images of deleted volumes, whose data is there still. */
  async deleted(): Promise<readonly string[]> {
    return (await this.#listed()).filter(isDeletedName);
  }

  /** When the drivers that run have removed the data of all that was deleted. */
  async purged(): Promise<void> {
    await expect.poll(() => this.deleted(), { timeout: 60_000, interval: 200 }).toEqual([]);
  }

  async #listed(): Promise<readonly string[]> {
    return JSON.parse(await this.rbd('ls', `${this.pool}/${this.namespace}`, '--format', 'json')) as string[];
  }

  async metadata(image: string): Promise<Readonly<Record<string, string>>> {
    const text = await this.rbd('image-meta', 'list', image, '--format', 'json');
    return text.trim() === '' ? {} : (JSON.parse(text) as Record<string, string>);
  }

  /**
   * Everything back, and proof that the drivers by themselves left nothing; what is left after all is removed by force.
   */
  async close(): Promise<void> {
    const end = Deadline.after(END_MS);
    /** What hangs is told by its name. */
    const step = <T>(what: string, work: Promise<T>): Promise<T> =>
      withinDeadline(work, () => new Error(`the end of this suite hangs: ${what}`), end);
    try {
      await step('end the volumes', this.endVolumes());
      await step('purge what was deleted', this.#purge());
      for (const root of this.#kubelets.splice(0)) await run('umount', [root], { deadline: soon() });
      expect(await this.#leftOnNode(), 'mounts and loop devices of this suite').toEqual([]);
      for (const driver of this.#drivers) {
        const { name } = driver;
        expect(await step(`stop ${name}`, driver.stop()), `how ${name} ended`).toBe('exit code 0');
      }
      expect(await this.#processes(), 'processes of this suite').toEqual([]);
      expect(await filesNaming('/run/berth', [this.directory, this.namespace])).toEqual([]);
      expect(await this.images(), 'images of this suite').toEqual([]);
    } catch (error) {
      // At once: to remove what is left may outlast the hook, and then nothing is told but its time.
      process.stderr.write(`${this.namespace}: ${String(error)}\n`);
      throw error;
    } finally {
      for (const driver of this.#drivers) await driver.stop('SIGKILL');
      await clearLeftovers(run, this.directory, { fsid: cluster().fsid, lives: true }, soon());
      await rm(this.directory, { recursive: true, force: true });
      await this.#place.remove();
    }
  }

  /** What no driver of ours purges any more, because it was deleted by a controller of the test's own, or killed. */
  async #purge(): Promise<void> {
    if ((await this.deleted()).length === 0) return;
    const purging = new PurgingController(this.clustersFile);
    try {
      await purging.until(
        async () => (await this.deleted()).length === 0,
        () => this.#whatIsDeleted(),
      );
    } finally {
      await purging.close();
    }
  }

  /** Of each image that is still there: what may keep it. */
  async #whatIsDeleted(): Promise<string> {
    const all = (await this.deleted()).map(async (name) => {
      const image = `${this.pool}/${this.namespace}/${name}`;
      const [snapshots, status, metadata] = await Promise.all([
        this.rbd('snap', 'ls', '--all', image),
        this.rbd('status', image),
        this.metadata(image),
      ]);
      return JSON.stringify({ name, snapshots, status, metadata });
    });
    return (await Promise.all(all)).join('\n');
  }

  async #leftOnNode(): Promise<readonly string[]> {
    const inside = (file: string): boolean => file.startsWith(`${this.directory}/`);
    const mounts = (await readMounts()).filter(({ target, fsType }) => inside(target) && !fsType.startsWith('fuse'));
    const loops = (await findLoops()).filter(({ file }) => inside(file));
    return [...mounts.map(({ target }) => target), ...loops.map(({ device, file }) => `${device} of ${file}`)];
  }

  /** The storage daemon of the development mapper outlives its driver by design; whoever made the directory ends it. */
  async #processes(): Promise<readonly string[]> {
    const ours = await findProcesses(({ argv }) => argv.some((one) => one.includes(`${this.directory}/`)));
    return ours.filter(({ program }) => program !== 'qemu-storage-daemon').map(({ argv }) => argv.join(' '));
  }
}

/** Files below `directory` whose path or content names one of these. */
export async function filesNaming(directory: string, names: readonly string[]): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((one) => one.isFile()).map((one) => path.join(one.parentPath, one.name));
  const texts = await Promise.all(files.map((file) => readFile(file, 'latin1').catch(() => '')));
  return files.filter((file, index) => names.some((name) => file.includes(name) || texts[index]?.includes(name)));
}
