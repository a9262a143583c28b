/**
 * The clusters file: which clusters, pools and users are ours;
 * read again when it changes, so nothing else remembers monitors.
 */
import { berthError, isBerthError, type BerthError } from '../model/errors.js';
import { Secret } from '../model/secret.js';
import type { Deadline } from '../model/deadline.js';
import { formatVolumeId, type PoolSpec, type VolumeId } from '../model/volume-id.js';
import { NODE_MARK, parseClusters, type ClusterConfig } from './clusters-file.js';
import { FreshFiles } from './fresh-file.js';
import type { ClusterAccess, ImageRef, PoolRef } from './port.js';

/**
 * Which of a cluster's users an operation acts as when its RPC carries no secrets;
 * `hyperd` is the one that guests are shown.
 */
export type Role = 'controller' | 'node' | 'hyperd';

/** cephx credentials as a CSI request carries them. */
export interface Credentials {
  readonly user: string;
  readonly key: Secret;
}

/** Where the images of a class are. */
type PoolOfCluster = Omit<VolumeId, 'image'>;

/**
 * Told of a fault of the file while the last good one is in use, when it comes and every {@link REPEAT_MS} while it
 * stays; of undefined when it has gone.
 */
export type FaultListener = (fault: BerthError | undefined) => void;

/** Asks a cluster whose file does not say it where its nodes register; what it does not know, it throws. */
export interface RegistrySource {
  find(config: ClusterConfig, access: ClusterAccess, deadline: Deadline): Promise<PoolSpec>;
}

/** As whom a node works. */
export interface NodeUsers {
  /** Its name: what stands for {@link NODE_MARK} in the clusters file. */
  readonly node: string;
  /** The user of its own by which the node opens a volume; undefined for one that it opens by the node's. */
  of(volume: string, registry: (deadline: Deadline) => Promise<PoolRef>): Promise<Credentials | undefined>;
}

/** How often a fault that stays is told, ms. */
const REPEAT_MS = 300_000;

export class Clusters {
  readonly #file: string;
  readonly #files: FreshFiles;
  readonly #tell: FaultListener;
  readonly #registries: RegistrySource | undefined;
  readonly #nodeUsers: NodeUsers | undefined;
  #read: { readonly text: string; readonly clusters: readonly ClusterConfig[] } | undefined;
  /** Of the file as it is now; with its text, which is not parsed again. */
  #fault: { readonly text: string | undefined; readonly error: BerthError; readonly toldAt: number } | undefined;

  /**
   * @param files decides how soon a change of the file or of a key is seen
   * @param tell of a file that cannot be used any more
   * @param registries undefined for a program that never asks for a registry
   * @param nodeUsers undefined for a program that is no node's
   */
  constructor(
    file: string,
    files: FreshFiles = new FreshFiles(),
    tell: FaultListener = () => undefined,
    registries?: RegistrySource,
    nodeUsers?: NodeUsers,
  ) {
    this.#file = file;
    this.#files = files;
    this.#tell = tell;
    this.#registries = registries;
    this.#nodeUsers = nodeUsers;
  }

  /**
   * Every configured cluster. A file that cannot be used any more leaves the last good one in use: a slip of an editor
   * must not take every volume of every cluster away. BERTH_CONFIG_INVALID where there has been none.
   */
  async all(): Promise<readonly ClusterConfig[]> {
    const text = await this.#files.read(this.#file).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : 'unreadable';
      return berthError('BERTH_CONFIG_INVALID', { file: this.#file, why }, error);
    });
    if (typeof text !== 'string') return this.#lastGood(undefined, text);
    if (this.#fault?.text === text) return this.#lastGood(text, this.#fault.error);
    if (this.#read?.text !== text) {
      try {
        this.#read = { text, clusters: parseClusters(text, this.#file) };
      } catch (error) {
        if (!isBerthError(error)) throw error;
        return this.#lastGood(text, error);
      }
    }
    if (this.#fault !== undefined) this.#tell(undefined);
    this.#fault = undefined;
    return this.#read.clusters;
  }

  #lastGood(text: string | undefined, error: BerthError): readonly ClusterConfig[] {
    if (this.#read === undefined) throw error;
    const before = this.#fault;
    const isTold = before?.error.message === error.message && performance.now() - before.toldAt < REPEAT_MS;
    if (!isTold) this.#tell(error);
    this.#fault = { text, error, toldAt: isTold ? before.toldAt : performance.now() };
    return this.#read.clusters;
  }

  /** One cluster by its name; BERTH_CLUSTER_UNKNOWN. */
  async get(cluster: string): Promise<ClusterConfig> {
    const found = (await this.all()).find((one) => one.id === cluster);
    if (found === undefined) throw berthError('BERTH_CLUSTER_UNKNOWN', { cluster });
    return found;
  }

  /**
   * The cluster of a place that is ours; BERTH_CLUSTER_UNKNOWN,
   * BERTH_POOL_NOT_OURS unless the file lists pool and namespace.
   */
  async listed(at: PoolOfCluster): Promise<ClusterConfig> {
    const config = await this.get(at.cluster);
    const listed = config.pools.find((pool) => pool.name === at.pool);
    if (listed === undefined) throw berthError('BERTH_POOL_NOT_OURS', { pool: at.pool, cluster: at.cluster });
    if (!listed.namespaces.includes(at.namespace)) {
      throw berthError('BERTH_POOL_NOT_OURS', { pool: `${at.pool}/${at.namespace}`, cluster: at.cluster });
    }
    return config;
  }

  /** How to reach a pool that is ours; errors as {@link listed}. */
  async pool(at: PoolOfCluster, role: Role, secrets?: Credentials): Promise<PoolRef> {
    const access = await this.access(await this.listed(at), role, secrets);
    return { access, pool: at.pool, namespace: at.namespace };
  }

  /**
   * How to reach the image of a volume. For a node the user of the volume goes before all others, also before secrets
   * of the request. Errors as {@link listed}, and of {@link NodeUsers}.
   */
  async image(at: VolumeId, role: Role, secrets?: Credentials): Promise<ImageRef> {
    const registry = (deadline: Deadline): Promise<PoolRef> => this.registry(at.cluster, 'node', deadline);
    const own = role === 'node' ? await this.#nodeUsers?.of(formatVolumeId(at), registry) : undefined;
    return { ...(await this.pool(at, role, own ?? secrets)), image: at.image };
  }

  /**
   * Every pool and namespace that is ours in every cluster, reached as `role`; without those of a cluster that has no
   * such user, or none with a key that can be read, unless that is all of them: then its error.
   */
  async pools(role: Role): Promise<readonly PoolRef[]> {
    const places: PoolRef[] = [];
    const failures: unknown[] = [];
    for (const config of await this.all()) {
      try {
        const access = await this.access(config, role);
        for (const pool of config.pools) {
          for (const namespace of pool.namespaces) places.push({ access, pool: pool.name, namespace });
        }
      } catch (error) {
        failures.push(error);
      }
    }
    if (places.length === 0 && failures.length > 0) throw failures[0];
    return places;
  }

  /**
   * Where the cluster's nodes are registered: one place for each cluster, reached with the same credentials as the
   * volume. The file's word wins; without it the cluster is asked, once for each list of places. Errors of
   * {@link RegistrySource}.
   */
  async registry(cluster: string, role: Role, deadline: Deadline, secrets?: Credentials): Promise<PoolRef> {
    const config = await this.get(cluster);
    const access = await this.access(config, role, secrets);
    const place = config.registry ?? (await this.#registries?.find(config, access, deadline));
    if (place === undefined) throw new Error('nobody was given who could ask for the registry');
    return { access, ...place };
  }

  /**
   * Secrets of the request win; else the configured user of that role, whose key file is read again every second
   * (Secrets rotate).
   */
  async access(config: ClusterConfig, role: Role, secrets?: Credentials): Promise<ClusterAccess> {
    const base = { cluster: config.id, monitors: config.monitors };
    if (secrets !== undefined) return { ...base, ...secrets };
    const user = config.users[role];
    if (user === undefined) throw berthError('BERTH_CREDENTIALS_MISSING', { cluster: config.id, role });
    const ofNode = (text: string): string =>
      role === 'node' ? text.replaceAll(NODE_MARK, this.#nodeUsers?.node ?? '') : text;
    const file = ofNode(user.keyFile);
    const key = await this.#files.read(file).catch((error: unknown) => {
      throw berthError('BERTH_CONFIG_INVALID', { file, why: 'the key file cannot be read' }, error);
    });
    if (key.trim() === '') throw berthError('BERTH_CONFIG_INVALID', { file, why: 'the key file is empty' });
    return { ...base, user: ofNode(user.id), key: new Secret(key.trim()) };
  }
}
