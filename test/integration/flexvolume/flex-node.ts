/** One node with a driver, its FlexVolume socket, the installed binary and a kubelet of the test in front of it. */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { parse, stringify } from 'yaml';
import { HOLDER_KEY, parseHolderRecord, type HolderRecord } from '../../../src/attachment/holder-record.js';
import { CRASH_AT } from '../../../src/dev/driver/crash-at.js';
import { Deadline } from '../../../src/model/deadline.js';
import { install, isOneLine, type Installed, type Ran } from '../../../src/dev/flexvolume/installed-binary.js';
import {
  mountJson,
  podDirectory,
  type KubeletPod,
  type KubeletVersion,
} from '../../../src/dev/flexvolume/kubelet-pod.js';
import type { FlexVolumeConfig } from '../../../src/rbd/clusters-file.js';
import { VOLUME_KEY } from '../../../src/volume/image/volume-record.js';
import { admin } from '../ceph.js';
import { ext4, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { Site } from '../csi/site.js';
import type { Volume } from '../csi/volume.js';

const soon = (): Deadline => Deadline.after(60_000);

/** How old what the driver knows of a file may be, and a little more, ms. */
const FRESH_MS = 1_100;

export interface Guest {
  readonly id: string;
  readonly key: string;
}

/** What of the clusters file is rewritten. */
interface ClusterSettings {
  readonly users: Record<string, object>;
  readonly pools: Record<string, unknown>[];
}

/** A user that guests may be shown: this namespace and no more. */
async function makeGuest(site: Site): Promise<Guest> {
  const id = `guest-${site.namespace}`;
  const osd = `profile rbd pool=${site.pool} namespace=${site.namespace}`;
  const key = await admin().ceph(
    ['auth', 'get-or-create-key', `client.${id}`, 'mon', 'profile rbd', 'osd', osd],
    soon(),
  );
  return { id, key: key.trim() };
}

const answers = (socket: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect(socket);
    probe.once('connect', () => resolve(true)).once('error', () => resolve(false));
    probe.once('connect', () => probe.destroy());
  });

export interface PodOptions {
  readonly driver?: string;
  readonly volume?: string;
  readonly options?: Readonly<Record<string, string>>;
  readonly fsType?: string;
  readonly readOnly?: boolean;
  readonly secret?: Readonly<Record<string, string>>;
  /** `securityContext.fsGroup`. */
  readonly group?: string;
}

export class FlexNode {
  readonly site: Site;
  readonly guest: Guest;
  readonly driver: Driver;
  readonly socket: string;
  readonly root: string;
  readonly #more: readonly string[];
  readonly #binaries = new Map<string, Installed>();
  #serial = 0;

  private constructor(site: Site, guest: Guest, more: readonly string[]) {
    this.site = site;
    this.#more = more;
    this.guest = guest;
    this.root = path.join(site.directory, 'k');
    this.driver = this.newDriver('node-one');
    this.socket = this.socketOf('node-one');
  }

  /** @param label as of {@link Site.open}; `more` arguments of its drivers */
  static async open(label: string, more: readonly string[] = []): Promise<FlexNode> {
    const site = await Site.open(label);
    const guest = await makeGuest(site);
    const flex = new FlexNode(site, guest, more);
    await flex.showGuest();
    await site.kubelet(path.basename(flex.root));
    await flex.driver.start();
    return flex;
  }

  /**
   * Name the guest's user in the clusters file, or nobody, or another one; the driver knows of it when this is done.
   */
  async showGuest(who: Guest | 'nobody' = this.guest): Promise<void> {
    const user = who === 'nobody' ? undefined : who;
    const keyFile = path.join(this.site.directory, 'keys', 'guest');
    await writeFile(keyFile, user?.key ?? '', { mode: 0o600 });
    await this.#rewriteClusters(({ users }) => {
      if (user === undefined) delete users['hyperd'];
      else users['hyperd'] = { id: user.id, keyFile };
    });
  }

  socketOf = (name: string): string => path.join(this.site.directory, `${name}-flex.sock`);

  newDriver(name: string): Driver {
    const endpoint = ['--flexvolume-endpoint', `unix://${this.socketOf(name)}`, '--kubelet-dir', this.root];
    const keyrings = ['--keyring-dir', path.join(this.site.directory, 'keyrings')];
    return this.site.driver(name, { arguments: [...endpoint, ...keyrings, ...this.#more] });
  }

  /**
   * End the driver as kill -9 does and start it again, to end itself at `point` (BERTH_CRASH_AT) where one is given.
   */
  async restart(point?: string): Promise<void> {
    await this.driver.stop('SIGKILL');
    await this.driver.start('listening', point === undefined ? {} : { [CRASH_AT]: point });
    for (let tries = 0; !(await answers(this.socket)); tries += 1) {
      if (tries > 100) throw new Error('nobody answers at the FlexVolume socket');
      await sleep(30);
    }
  }

  /** Everything back; the users too. */
  async close(): Promise<void> {
    try {
      await this.site.close();
    } finally {
      await admin().ceph(['auth', 'rm', `client.${this.guest.id}`], soon());
    }
  }

  /** A volume of CSI, which no FlexVolume pod may have. */
  createByCsi(name?: string, sizeBytes = SMALL_BYTES): Promise<Volume> {
    return this.site.create(this.driver, ext4(), { sizeBytes, ...(name === undefined ? {} : { name }) });
  }

  /**
   * An image that is no volume of CSI and may be formatted, for FlexVolume's pods. It gets its record back at its end,
   * so that the driver, which looks who has it, deletes it.
   */
  async create(name?: string, sizeBytes?: number): Promise<Volume> {
    const volume = await this.createByCsi(name, sizeBytes);
    const record = (await this.site.metadata(volume.image))[VOLUME_KEY] ?? '';
    await this.site.rbd('image-meta', 'remove', volume.image, VOLUME_KEY);
    volume.beforeDelete = () => this.site.rbd('image-meta', 'set', volume.image, VOLUME_KEY, record);
    return volume;
  }

  /** What the administrator allows pods in our pool; the driver knows of it when this is done. */
  async allow(flexVolume: FlexVolumeConfig | undefined): Promise<void> {
    await this.#rewriteClusters(({ pools }) => {
      for (const pool of pools) {
        if (flexVolume === undefined) delete pool['flexVolume'];
        else pool['flexVolume'] = flexVolume;
      }
    });
  }

  async #rewriteClusters(change: (cluster: ClusterSettings) => void): Promise<void> {
    const file = this.site.clustersFile;
    const settings = parse(await readFile(file, 'utf8')) as { clusters: ClusterSettings[] };
    settings.clusters.forEach(change);
    await writeFile(file, stringify(settings, { aliasDuplicateObjects: false }));
    await sleep(FRESH_MS);
  }

  pod(image: string, more: PodOptions = {}): KubeletPod {
    this.#serial += 1;
    const { driver = 'hyper~cephrbd', volume = 'data', options = {}, ...rest } = more;
    const uid = `00000000-0000-4000-8000-${String(this.#serial).padStart(12, '0')}`;
    const place = { volumeID: path.basename(image), pool: this.site.pool, radosNamespace: this.site.namespace };
    return {
      root: this.root,
      driver,
      uid,
      volume,
      node: this.driver.nodeId,
      options: { ...place, ...options },
      ...rest,
    };
  }

  /** The binary of a FlexVolume driver that asks this node's agent, or another's. */
  async binary(driver = 'hyper~cephrbd', attach = false, node = 'node-one'): Promise<Installed> {
    const key = `${node}-${driver}-${attach}`;
    const found = this.#binaries.get(key);
    if (found !== undefined) return found;
    const plugins = path.join(this.site.directory, 'exec', `${node}-${attach}`);
    const installed = await install(plugins, driver, { socket: this.socketOf(node), attach });
    this.#binaries.set(key, installed);
    return installed;
  }

  /** One call-out; an answer that is more than one line fails the test. */
  async call(args: readonly string[], driver?: string, attach?: boolean): Promise<Ran['answer']> {
    const ran = await (await this.binary(driver, attach)).run(args);
    if (!isOneLine(ran)) throw new Error(`not one line: ${ran.text}`);
    return ran.answer;
  }

  /** As the kubelet does it: a directory of its own before, and none after a failure. */
  async mount(pod: KubeletPod, version: KubeletVersion = '1.20', attach = false): Promise<Ran['answer']> {
    const directory = podDirectory(pod);
    await mkdir(directory, { recursive: true, mode: 0o750 });
    const answer = await this.call(['mount', directory, mountJson(pod, version)], pod.driver, attach);
    if (answer.status !== 'Success') await rmdir(directory).catch(() => undefined);
    return answer;
  }

  async unmount(pod: KubeletPod, attach = false): Promise<Ran['answer']> {
    const directory = podDirectory(pod);
    const answer = await this.call(['unmount', directory], pod.driver, attach);
    if (answer.status === 'Success') {
      await rmdir(directory).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      });
    }
    return answer;
  }

  /**
   * An unmount does not wait for a cluster that is slow to say who has the image open: its record is given back soon
   * after.
   */
  async isGivenBack(volume: Volume): Promise<void> {
    await expect.poll(() => this.holder(volume), { timeout: 60_000, message: volume.id }).toBeUndefined();
  }

  async holder(volume: Volume): Promise<HolderRecord | undefined> {
    return parseHolderRecord((await this.site.metadata(volume.image))[HOLDER_KEY], volume.id);
  }

  /** What of the node's journal is there. */
  journal(): Promise<readonly string[]> {
    return readdir(path.join(this.driver.stateDir, 'journal'));
  }
}
