/** Ceph in memory behind a real clusters file, fresh for each test; and the requests that most tests begin with. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { Installation } from '../../../../src/attachment/node-identity.js';
import { FENCES_OBJECT } from '../../../../src/attachment/fences.js';
import { NODES_OBJECTS } from '../../../../src/attachment/nodes/node-objects.js';
import { RegistryFinder } from '../../../../src/attachment/registry/find-registry.js';
import type { Capability } from '../../../../src/model/capability.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { Secret } from '../../../../src/model/secret.js';
import { createLog } from '../../../../src/observe/log.js';
import { Clusters } from '../../../../src/rbd/clusters.js';
import { FreshFiles } from '../../../../src/rbd/fresh-file.js';
import type { ImageRef, PoolRef } from '../../../../src/rbd/port.js';
import type { CreateRequest } from '../../../../src/volume/controller/create/create-plan.js';
import type { Credentials } from '../../../../src/volume/image/find-volume.js';
import { MemoryRbd, type MemoryImage } from '../../../fakes/rbd-memory.js';

export const MiB = 1024n * 1024n;
export const GiB = 1024n * MiB;
export const NOW = '2026-01-02T03:04:05.000Z';

/** The pools of the clusters file below; `ec` exists in Ceph as a data pool only, `foreign` is not ours at all. */
const CLUSTERS = `
clusters:
  - id: c1
    monitors: ['127.0.0.1:3300']
    pools:
      - name: rbd
        namespaces: ['', team]
      - name: fast
    users:
      controller: { id: berth, keyFile: KEYFILE }
`;

export interface MemoryCluster {
  rbd: MemoryRbd;
  clusters: Clusters;
  /** Of none, as whoever has no orchestrator. */
  installation: Installation;
  clustersFile: string;
  /** An image behind everybody's back. */
  image(name: string, pool?: string, namespace?: string): MemoryImage | undefined;
  at(name: string, pool?: string, namespace?: string): ImageRef;
}

/** To be called at the top of a test file, before its own `beforeEach`. */
export function memoryCluster(): MemoryCluster {
  const cluster = {} as MemoryCluster;
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'berth-cluster-'));
    const clustersFile = path.join(directory, 'clusters.yaml');
    await writeFile(path.join(directory, 'key'), 'AQBkey==\n');
    await writeFile(clustersFile, CLUSTERS.replace('KEYFILE', path.join(directory, 'key')));
    const rbd = new MemoryRbd('rbd', 'rbd/team', 'fast', 'ec', 'foreign');
    const objects = [...NODES_OBJECTS, FENCES_OBJECT];
    const registries = new RegistryFinder({
      rbd,
      objects,
      records: true,
      log: createLog('silent'),
      now: () => new Date(),
    });
    const fresh: MemoryCluster = {
      rbd,
      clusters: new Clusters(clustersFile, new FreshFiles(), undefined, registries),
      installation: new Installation(),
      clustersFile,
      image: (name, pool = 'rbd', namespace = '') => rbd.image({ pool, namespace, image: name }),
      at: (name, pool = 'rbd', namespace = '') => ({ ...place(pool, namespace), image: name }),
    };
    Object.assign(cluster, fresh);
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));
  return cluster;
}

export const place = (pool = 'rbd', namespace = ''): PoolRef => ({
  access: { cluster: 'c1', monitors: ['127.0.0.1:3300'], user: 'berth', key: new Secret('AQBkey==') },
  ...{ pool, namespace },
});

export const soon = (): Deadline => Deadline.after(10_000);
export const noSecrets: Credentials | undefined = undefined;

export const mounted: Capability = {
  mode: 'SINGLE_NODE_WRITER',
  access: { kind: 'mount', fsType: 'ext4', mountFlags: [], group: '' },
};
export const raw: Capability = { mode: 'SINGLE_NODE_WRITER', access: { kind: 'block' } };

/** A request for 1 GiB named `name` in rbd; `more` replaces, parameters are merged. */
export const creation = (name: string, more: Partial<CreateRequest> = {}): CreateRequest => ({
  ...{ name, range: { required: GiB, limit: 0n }, capabilities: [mounted], secrets: noSecrets },
  ...more,
  parameters: { clusterID: 'c1', pool: 'rbd', ...more.parameters },
});
