/**
 * A program of its own: `simulated-node DIRECTORY DEVICE...` serves CSI at DIRECTORY/csi.sock as a driver does, with
 * its gRPC server, locks, journal and reconciliation, over Ceph in memory and over block devices that are there. It
 * answers each message of its parent by what it holds, and ends with it. Run by a Node with `--expose-gc`.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { FENCES_OBJECT } from '../../src/attachment/fences.js';
import { HolderRecords } from '../../src/attachment/holder-records.js';
import { NodeRegistry } from '../../src/attachment/node-registry.js';
import { NODES_OBJECTS } from '../../src/attachment/nodes/node-objects.js';
import { RegistryFinder } from '../../src/attachment/registry/find-registry.js';
import { parseCommandLine } from '../../src/cli/command-line.js';
import { controllerService } from '../../src/csi/controller-service.js';
import { startServer } from '../../src/csi/grpc-server.js';
import { nodeService } from '../../src/csi/node-service.js';
import { createLog } from '../../src/observe/log.js';
import { Clusters } from '../../src/rbd/clusters.js';
import { FreshFiles } from '../../src/rbd/fresh-file.js';
import { NO_ADDITIONS } from '../../src/wiring/additions.js';
import { makeControllerParts } from '../../src/wiring/controller-parts.js';
import { makeDependencies, now } from '../../src/wiring/dependencies.js';
import { makeNodeReconciler } from '../../src/wiring/make-node-reconciler.js';
import { makeNodeParts } from '../../src/wiring/node-parts.js';
import { MemoryRbd } from '../fakes/rbd-memory.js';
import { DevicesMapper } from './devices-mapper.js';
import { mountInPlace } from './mounts-in-place.js';

export interface Held {
  /** Of the heap after a garbage collection, in bytes. */
  readonly heap: number;
  /** Timers, sockets, files, children that keep an event loop alive. */
  readonly resources: number;
}

/** The fake remembers every call for tests that count: it forgets them as often, in ms. */
const FORGET_MS = 500;

const CLUSTERS = (key: string): string => `
clusters:
  - id: c1
    monitors: ['127.0.0.1:3300']
    pools: [{ name: rbd }]
    users:
      controller: { id: berth, keyFile: ${key} }
      node: { id: berth, keyFile: ${key} }
`;

const [, , directory = '', ...devices] = process.argv;
const [key, clustersFile] = [path.join(directory, 'key'), path.join(directory, 'clusters.yaml')];
await writeFile(key, 'AQBkey==\n');
await writeFile(clustersFile, CLUSTERS(key));
const endpoint = `unix://${path.join(directory, 'csi.sock')}`;
const given = [
  ...['--endpoint', endpoint, '--clusters', clustersFile, '--node-id', 'untiring', '--mounter', 'loop'],
  ...['--state-dir', path.join(directory, 'state'), '--kata-records', path.join(directory, 'kata')],
  ...['--services', 'identity,controller,node', '--kubernetes', 'off', '--kubelet-dir', 'none'],
  ...['--reconcile-interval', '1', '--log-level', 'warn'],
];
const request = parseCommandLine(given, {});
if (request.kind !== 'serve') throw new Error('these options do not serve');
const { options } = request;
const log = createLog(options.logLevel);
const rbd = new MemoryRbd('rbd');
const objects = [...NODES_OBJECTS, FENCES_OBJECT];
const registries = new RegistryFinder({ rbd, objects, records: true, log, now });
const dependencies = {
  ...(await makeDependencies(options, log)),
  rbd,
  longWork: rbd,
  clusters: new Clusters(clustersFile, new FreshFiles(), undefined, registries),
  holderRecords: new HolderRecords(rbd),
  nodes: new NodeRegistry(rbd),
};
const mapper = new DevicesMapper(devices);
const node = {
  ...(await makeNodeParts(dependencies, { ...NO_ADDITIONS, mappers: () => [mapper] })),
  exec: mountInPlace,
};
await startServer({
  endpoint,
  log,
  services: { Controller: controllerService(makeControllerParts(dependencies)), Node: nodeService(node) },
});
makeNodeReconciler(node, options).start();
setInterval(() => (rbd.calls.length = 0), FORGET_MS);

process.on('message', () => {
  rbd.calls.length = 0;
  globalThis.gc?.();
  const held: Held = { heap: process.memoryUsage().heapUsed, resources: process.getActiveResourcesInfo().length };
  process.send?.(held);
});
process.on('disconnect', () => process.exit(0));
process.send?.('serves');
