/**
 * Kubelet's volume directories, read without entering anything that is mounted: which of them are of our volumes, and
 * what lies in them.
 */
import { lstat, readdir, readFile, realpath } from 'node:fs/promises';
import path from 'node:path';
import { isErrno } from '../host/errno.js';
import type { Mount } from '../host/mount/mountinfo.js';
import { DATA_DRAFT, DATA_FILE } from '../volume/node/recovery/orphaned-directory.js';
import type { KubeletFacts, KubeletVolume, MountPointState } from './node-facts.js';

const CSI = 'kubernetes.io~csi';
/** Of the plugin directory that is shared by all drivers: raw block volumes, and stages of kubelets before 1.24. */
const BLOCK = 'volumeDevices';
const OLD_STAGES = 'pv';

/** Read at the same time; each is a handful of small reads. */
const AT_ONCE = 16;

interface Candidate {
  readonly kind: KubeletVolume['kind'];
  readonly directory: string;
  /** Where the data file is. */
  readonly data: string;
  readonly mountPoint: string;
  readonly owner: string;
}

/** @param root the kubelet's directory; one that does not exist has no volumes */
export async function readKubelet(root: string, driver: string, mounts: readonly Mount[]): Promise<KubeletFacts> {
  const resolved = await realpath(root).catch(() => root);
  const scan = new Scan(driver, new Set(mounts.map(({ target }) => target)));
  try {
    const candidates = [...(await scan.pods(resolved)), ...(await scan.plugin(resolved))];
    for (let at = 0; at < candidates.length; at += AT_ONCE) {
      await Promise.all(candidates.slice(at, at + AT_ONCE).map((one) => scan.inspect(one)));
    }
  } catch (error) {
    scan.incomplete = error instanceof Error ? error.message : 'unreadable';
  }
  const { volumes, unclear, incomplete } = scan;
  return { root: resolved, volumes, unclear, incomplete };
}

class Scan {
  readonly volumes: KubeletVolume[] = [];
  readonly unclear: { directory: string; why: string }[] = [];
  incomplete: string | undefined;
  readonly #driver: string;
  readonly #mounted: ReadonlySet<string>;

  constructor(driver: string, mounted: ReadonlySet<string>) {
    this.#driver = driver;
    this.#mounted = mounted;
  }

  async pods(root: string): Promise<readonly Candidate[]> {
    const found: Candidate[] = [];
    for (const pod of await this.#entries(path.join(root, 'pods'))) {
      const owner = path.join(root, 'pods', pod);
      for (const name of await this.#entries(path.join(owner, 'volumes', CSI))) {
        const directory = path.join(owner, 'volumes', CSI, name);
        found.push({ kind: 'pod', directory, data: directory, mountPoint: path.join(directory, 'mount'), owner });
      }
    }
    return found;
  }

  async plugin(root: string): Promise<readonly Candidate[]> {
    const plugin = path.join(root, 'plugins/kubernetes.io/csi');
    const found: Candidate[] = [];
    for (const parent of [this.#driver, OLD_STAGES]) {
      for (const name of await this.#entries(path.join(plugin, parent))) {
        const directory = path.join(plugin, parent, name);
        const mountPoint = path.join(directory, 'globalmount');
        found.push({ kind: 'stage', directory, data: directory, mountPoint, owner: directory });
      }
    }
    for (const name of await this.#entries(path.join(plugin, BLOCK))) {
      const directory = path.join(plugin, BLOCK, name);
      const data = path.join(directory, 'data');
      found.push({ kind: 'block', directory, data, mountPoint: path.join(directory, 'dev'), owner: directory });
    }
    return found;
  }

  async inspect({ kind, directory, data, mountPoint, owner }: Candidate): Promise<void> {
    // Something over the directory itself hides kubelet's files, and may hang.
    if (this.#mounted.has(directory) || this.#mounted.has(data)) return;
    const names = await this.#entries(data);
    const file = [DATA_FILE, DATA_DRAFT].find((name) => names.includes(name));
    if (file === undefined) {
      // No data file in a raw volume's neighbours (`publish`, `staging`): they are no volume directories.
      if (kind === 'pod') this.unclear.push({ directory, why: `no ${DATA_FILE} says whose volume it is` });
      return;
    }
    const said = await this.#read(path.join(data, file));
    if (said === undefined) this.unclear.push({ directory, why: `its ${DATA_FILE} cannot be read` });
    else if (said.driver === this.#driver) {
      const state = await this.#state(mountPoint);
      const changed = Math.max(
        await changedAt(path.join(data, file)),
        state === 'mount' ? 0 : await changedAt(mountPoint),
      );
      const others = names.filter((name) => ![DATA_FILE, DATA_DRAFT, path.basename(mountPoint)].includes(name));
      this.volumes.push({ kind, volume: said.volume, directory, mountPoint, owner, state, others, changed });
    }
  }

  async #state(mountPoint: string): Promise<MountPointState> {
    if (this.#mounted.has(mountPoint)) return 'mount';
    try {
      return (await readdir(mountPoint)).length === 0 ? 'empty' : 'full';
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return 'absent';
      if (isErrno(error, 'ENOTDIR')) return 'no directory';
      throw error;
    }
  }

  /** None of what does not exist, or is hidden by a mount. */
  async #entries(directory: string): Promise<readonly string[]> {
    try {
      return await readdir(directory);
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
      throw error;
    }
  }

  async #read(file: string): Promise<{ driver: unknown; volume: string } | undefined> {
    try {
      const data = JSON.parse(await readFile(file, 'utf8')) as Readonly<Record<string, unknown>> | null;
      const volume = data?.['volumeHandle'];
      return typeof volume === 'string' ? { driver: data?.['driverName'], volume } : undefined;
    } catch (error) {
      if (error instanceof SyntaxError || isErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  }
}

async function changedAt(file: string): Promise<number> {
  const stats = await lstat(file).catch(() => undefined);
  return stats?.mtimeMs ?? 0;
}
