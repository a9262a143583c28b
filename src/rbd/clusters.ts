/** The clusters file: which clusters, pools and users are ours; read again when it changes, so nothing else remembers monitors. */
import { readFile, stat } from 'node:fs/promises';
import { isBerthError, fail } from '../model/errors.js';
import { Secret } from '../model/secret.js';
import { parseClusters, type ClusterConfig } from './clusters-file.js';
import type { ClusterAccess, PoolRef } from './port.js';

/** Which of a cluster's users an operation acts as when its RPC carries no secrets. */
export type Role = 'controller' | 'node';

/** cephx credentials as a CSI request carries them. */
export interface Credentials {
  readonly user: string;
  readonly key: Secret;
}

export class Clusters {
  readonly #file: string;
  #read: { readonly mtimeMs: number; readonly size: number; readonly clusters: readonly ClusterConfig[] } | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** Every configured cluster; CONFIG_INVALID where the file cannot be used. */
  async all(): Promise<readonly ClusterConfig[]> {
    try {
      const { mtimeMs, size } = await stat(this.#file);
      if (this.#read?.mtimeMs === mtimeMs && this.#read.size === size) return this.#read.clusters;
      const clusters = parseClusters(await readFile(this.#file, 'utf8'), this.#file);
      this.#read = { mtimeMs, size, clusters };
      return clusters;
    } catch (error) {
      if (isBerthError(error)) throw error;
      throw fail(
        'CONFIG_INVALID',
        { file: this.#file, why: error instanceof Error ? error.message : 'unreadable' },
        error,
      );
    }
  }

  /** One cluster by its name; CLUSTER_UNKNOWN. */
  async get(cluster: string): Promise<ClusterConfig> {
    const found = (await this.all()).find((one) => one.id === cluster);
    if (found === undefined) throw fail('CLUSTER_UNKNOWN', { cluster });
    return found;
  }

  /** How to reach a pool that is ours: POOL_NOT_OURS unless the clusters file lists pool and namespace. */
  async pool(
    at: { readonly cluster: string; readonly pool: string; readonly namespace: string },
    role: Role,
    secrets?: Credentials,
  ): Promise<PoolRef> {
    const config = await this.get(at.cluster);
    const listed = config.pools.find((pool) => pool.name === at.pool);
    if (listed === undefined) throw fail('POOL_NOT_OURS', { pool: at.pool, cluster: at.cluster });
    if (!listed.namespaces.includes(at.namespace)) {
      throw fail('POOL_NOT_OURS', { pool: `${at.pool}/${at.namespace}`, cluster: at.cluster });
    }
    return { access: await this.access(config, role, secrets), pool: at.pool, namespace: at.namespace };
  }

  /** Every pool and namespace that is ours in every cluster, reached as `role`. */
  async pools(role: Role): Promise<readonly PoolRef[]> {
    const places: PoolRef[] = [];
    for (const config of await this.all()) {
      const access = await this.access(config, role);
      for (const pool of config.pools) {
        for (const namespace of pool.namespaces) places.push({ access, pool: pool.name, namespace });
      }
    }
    return places;
  }

  /** Where the cluster's nodes are registered: one place for each cluster, reached with the same credentials as the volume. */
  async registry(cluster: string, role: Role, secrets?: Credentials): Promise<PoolRef> {
    const config = await this.get(cluster);
    return { access: await this.access(config, role, secrets), ...config.registry };
  }

  /** Secrets of the request win; else the configured user of that role, whose key file is read anew each time (Secrets rotate). */
  async access(config: ClusterConfig, role: Role, secrets?: Credentials): Promise<ClusterAccess> {
    const base = { cluster: config.id, monitors: config.monitors };
    if (secrets !== undefined) return { ...base, ...secrets };
    const user = config.users[role];
    if (user === undefined) throw fail('CREDENTIALS_MISSING', { cluster: config.id, role });
    try {
      return { ...base, user: user.id, key: new Secret((await readFile(user.keyFile, 'utf8')).trim()) };
    } catch (error) {
      throw fail('CONFIG_INVALID', { file: user.keyFile, why: 'the key file cannot be read' }, error);
    }
  }
}
