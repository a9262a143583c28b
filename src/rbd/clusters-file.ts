/**
 * What the clusters file may say, checked field by field so that
 * a typo is an error with a place and not a surprise at night.
 */
import { parse } from 'yaml';
import { whyNotUser } from '../model/cephx.js';
import { berthError } from '../model/errors.js';
import { whyNotMonitor } from './monitor-address.js';
import { isClusterName, isPlaceName, type PoolSpec } from '../model/volume-id.js';

export interface PoolConfig {
  readonly name: string;
  /** Rados namespaces that are ours; `''` is the pool's default namespace. */
  readonly namespaces: readonly string[];
  /** What pods may ask of the pool by FlexVolume; undefined is nothing at all. */
  readonly flexVolume?: FlexVolumeConfig | undefined;
}

export interface FlexVolumeConfig {
  /** Names of images that a pod may give; a star at the end stands for anything. */
  readonly images: 'any' | readonly string[];
  /** May a pod ask that a node's kernel mounts what a guest has written? */
  readonly allowHostMount: boolean;
}

/** In user and key file of the nodes: the name of the node that reads it, so that each may have a user of its own. */
export const NODE_MARK = '{node}';

export interface UserConfig {
  /** Without `client.`. */
  readonly id: string;
  /** With nothing but the key in it; mounted from a Secret. */
  readonly keyFile: string;
}

export interface ClusterConfig {
  readonly id: string;
  readonly monitors: readonly string[];
  readonly pools: readonly PoolConfig[];
  readonly users: { readonly controller?: UserConfig; readonly node?: UserConfig; readonly hyperd?: UserConfig };
  /** Where nodes register, if the file says so; else the cluster itself is asked. */
  readonly registry: PoolSpec | undefined;
}

/** Parse and check the file's text; BERTH_CONFIG_INVALID names the field. */
export function parseClusters(text: string, file: string): readonly ClusterConfig[] {
  const read = new FieldReader(file);
  const root = read.object(parseYaml(text, file), 'the file', ['clusters']);
  const clusters = read
    .list(root['clusters'], 'clusters')
    .map((one, index) => cluster(read, one, `clusters[${index}]`));
  read.distinct(
    clusters.map((one) => one.id),
    'clusters',
  );
  return clusters;
}

function parseYaml(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw berthError('BERTH_CONFIG_INVALID', {
      file,
      why: error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'not YAML',
    });
  }
}

function cluster(read: FieldReader, value: unknown, at: string): ClusterConfig {
  const one = read.object(value, at, ['id', 'monitors', 'pools', 'users', 'registry']);
  const id = read.text(one['id'], `${at}.id`);
  if (!isClusterName(id)) throw read.configError(`${at}.id`, 'letters, digits, dot, dash, underscore; at most 36');
  const monitors = read
    .list(one['monitors'], `${at}.monitors`)
    .map((monitor, i) => monitorOf(read, monitor, `${at}.monitors[${i}]`));
  const pools = read.list(one['pools'], `${at}.pools`).map((pool, i) => poolOf(read, pool, `${at}.pools[${i}]`));
  const users = read.object(one['users'] ?? {}, `${at}.users`, ['controller', 'node', 'hyperd']);
  // Listed twice, its volumes would be listed twice, and only the first entry's namespaces would count.
  read.distinct(
    pools.map((pool) => pool.name),
    `${at}.pools`,
  );
  return {
    id,
    monitors,
    pools,
    users: {
      ...(users['controller'] === undefined
        ? {}
        : { controller: userOf(read, users['controller'], `${at}.users.controller`) }),
      ...(users['node'] === undefined ? {} : { node: userOf(read, users['node'], `${at}.users.node`) }),
      ...(users['hyperd'] === undefined ? {} : { hyperd: userOf(read, users['hyperd'], `${at}.users.hyperd`) }),
    },
    registry: registryOf(read, one['registry'], `${at}.registry`),
  };
}

/** What cannot be an address would only time out, for every client, without a word of it. */
function monitorOf(read: FieldReader, value: unknown, at: string): string {
  const text = read.text(value, at);
  const why = whyNotMonitor(text);
  if (why !== undefined) throw read.configError(at, why);
  return text;
}

function poolOf(read: FieldReader, value: unknown, at: string): PoolConfig {
  const one = read.object(value, at, ['name', 'namespaces', 'flexVolume']);
  const listed = one['namespaces'] === undefined ? [''] : read.list(one['namespaces'], `${at}.namespaces`);
  const namespaces = listed.map((ns, i) => (ns === '' || ns === null ? '' : read.place(ns, `${at}.namespaces[${i}]`)));
  read.distinct(namespaces, `${at}.namespaces`);
  const flexVolume = flexVolumeOf(read, one['flexVolume'], `${at}.flexVolume`);
  return { name: read.place(one['name'], `${at}.name`), namespaces, flexVolume };
}

function flexVolumeOf(read: FieldReader, value: unknown, at: string): FlexVolumeConfig | undefined {
  if (value === undefined) return undefined;
  const one = read.object(value, at, ['images', 'allowHostMount']);
  const allowHostMount = one['allowHostMount'] ?? false;
  if (typeof allowHostMount !== 'boolean') throw read.configError(`${at}.allowHostMount`, 'must be true or false');
  if (one['images'] === 'any') return { images: 'any', allowHostMount };
  const images = read.list(one['images'], `${at}.images`).map((image, i) => {
    const text = read.text(image, `${at}.images[${i}]`);
    if (isPlaceName(text.replace(/[*]$/, ''))) return text;
    const form = 'an image name, or its beginning and a star; every image is images: any';
    throw read.configError(`${at}.images[${i}]`, `"${text}" is not ${form}`);
  });
  return { images, allowHostMount };
}

function userOf(read: FieldReader, value: unknown, at: string): UserConfig {
  const one = read.object(value, at, ['id', 'keyFile']);
  const id = read.text(one['id'], `${at}.id`);
  const whyNot = whyNotUser(id);
  if (whyNot !== undefined) throw read.configError(`${at}.id`, whyNot);
  return { id, keyFile: read.text(one['keyFile'], `${at}.keyFile`) };
}

function registryOf(read: FieldReader, value: unknown, at: string): ClusterConfig['registry'] {
  if (value === undefined) return undefined;
  const one = read.object(value, at, ['pool', 'namespace']);
  const namespace = one['namespace'] ?? '';
  return {
    pool: read.place(one['pool'], `${at}.pool`),
    namespace: namespace === '' ? '' : read.place(namespace, `${at}.namespace`),
  };
}

/** Narrowing of unknown YAML with the place in every complaint. */
class FieldReader {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  configError(at: string, why: string): Error {
    return berthError('BERTH_CONFIG_INVALID', { file: this.#file, why: `${at}: ${why}` });
  }

  object(value: unknown, at: string, known: readonly string[]): Readonly<Record<string, unknown>> {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.configError(at, 'must be a map');
    const strange = Object.keys(value).find((key) => !known.includes(key));
    if (strange !== undefined) throw this.configError(at, `does not know "${strange}"; known: ${known.join(', ')}`);
    return value as Record<string, unknown>;
  }

  list(value: unknown, at: string): readonly unknown[] {
    if (!Array.isArray(value) || value.length === 0)
      throw this.configError(at, 'must be a list with at least one entry');
    return value;
  }

  distinct(names: readonly string[], at: string): void {
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) throw this.configError(at, `names "${twice}" twice`);
  }

  text(value: unknown, at: string): string {
    if (typeof value !== 'string' || value === '') throw this.configError(at, 'must be a text');
    return value;
  }

  place(value: unknown, at: string): string {
    const text = this.text(value, at);
    if (!isPlaceName(text)) throw this.configError(at, `"${text}" is not a usable pool or namespace name`);
    return text;
  }
}
