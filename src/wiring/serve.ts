/**
 * One driver process from start to end: opens the gRPC and FlexVolume sockets, starts the loops, and ends all of them
 * in order.
 */
import { controllerService } from '../csi/controller-service.js';
import { groupControllerService } from '../csi/group-controller-service.js';
import { identityService } from '../csi/identity-service.js';
import { nodeService } from '../csi/node-service.js';
import { snapshotMetadataService } from '../csi/streams/snapshot-metadata-service.js';
import { packageVersion } from '../model/package-root.js';
import { startServer } from '../csi/grpc-server.js';
import { startAgent } from '../flexvolume/agent-server.js';
import { watchChildren } from '../host/process/children.js';
import { keepSpareChildren } from '../host/process/start/spare-children.js';
import { refuseNewWork } from '../host/process/work-at-stop.js';
import { createLog, type Logger } from '../observe/log.js';
import { type Options } from '../options/options.js';
import {
  clustersAnswer,
  installationKnown,
  kernelKnowsClusters,
  machineWorks,
  mapperWorks,
} from '../diagnosis/readiness-checks.js';
import { preflight } from '../diagnosis/preflight.js';
import { Readiness, type Check } from '../diagnosis/readiness.js';
import { kernelMaps } from '../rbd/mapping/kernel-maps.js';
import { awaitWork } from '../volume/operation/await-work.js';
import type { Additions } from './additions.js';
import { makeControllerParts, type ControllerParts } from './controller-parts.js';
import { makeDependencies, type Dependencies } from './dependencies.js';
import { makeNodeParts } from './node-parts.js';
import { flexUseCases } from './flexvolume-use-cases.js';
import { makeRegistration } from './make-registration.js';
import { examinedBy } from './examined-by.js';
import { endAtTheLatest } from './end-what-is-left.js';
import { startLoops } from './loops.js';
import { observeCalls, showReadiness } from './metrics/show-metrics.js';

/** How long calls in flight may take after SIGTERM, in ms; after that, work has `--work-grace`. */
const DRAIN_MS = 25_000;
/** How long the process may take after that for loops, Kubernetes and Ceph, in ms: a loop waits 5 s for its round. */
const REST_MS = 6_000;

export async function serve(options: Options, additions: Additions): Promise<void> {
  const log = createLog(options.logLevel);
  const version = packageVersion();
  const { services, endpoint, nodeId } = options;
  log.info({ version, services, endpoint, node: nodeId }, 'berth starts');
  watchChildren((child) => log.debug(child, 'child process ended'));
  const dependencies = await makeDependencies(options, log);
  const { rbd, longWork } = dependencies;
  const controller = services.includes('controller') ? makeControllerParts(dependencies, additions) : undefined;
  const node = services.includes('node') ? await makeNodeParts(dependencies, additions) : undefined;
  const registration = node && makeRegistration(node, dependencies, version);
  const checks: Record<string, Check> = {};
  // A node asks no cluster for it: it registers there all the time.
  if (controller !== undefined) checks['clusters'] = clustersAnswer(dependencies.clusters, rbd, 'controller');
  if (node !== undefined) {
    const examined = examinedBy(dependencies, additions, { versions: false });
    checks['machine'] = machineWorks(examined);
    checks['kernel-client'] = kernelKnowsClusters(examined);
    const hasKernel = () => kernelMaps(examined.sysRoot, options.mounter);
    checks['mapper'] = mapperWorks(() => node.mappers.forChoice('auto'), hasKernel);
  }
  // A node without it is not registered, and says so by that.
  if (controller !== undefined) checks['installation'] = installationKnown(dependencies.installation);
  if (registration !== undefined) checks['registration'] = () => registration.whyNot();
  const readiness = new Readiness(checks, log);
  showReadiness(dependencies.counters, version, readiness);
  const server = await startServer({
    endpoint,
    log,
    ended: observeCalls(dependencies.counters),
    services: {
      Identity: identityService({ readiness: () => readiness.current() }),
      ...(controller === undefined ? {} : controllerServices(controller)),
      ...(node === undefined ? {} : { Node: nodeService(node) }),
    },
  });
  const { flexvolumeEndpoint } = options;
  const agent =
    flexvolumeEndpoint === undefined
      ? undefined
      : await startAgent(flexvolumeEndpoint, flexUseCases(options, node, controller), log);
  const loops = await startLoops({ dependencies, controller, node, registration, readiness });
  void sayWhatIsWrong(dependencies, additions);
  // A controller has hardly any child.
  const endSpareChildren = node === undefined ? () => undefined : keepSpareChildren();
  await stopRequested(log);
  endSpareChildren();
  refuseNewWork();
  const stopped = loops.stop();
  await Promise.all([server.drain(DRAIN_MS), agent?.drain(DRAIN_MS)]);
  if (node !== undefined) await awaitWork(node, options.workGrace * 1000);
  // A call that outlived the drain, and whatever waits for it, may never end.
  endAtTheLatest(REST_MS, (left) => log.warn({ left }, 'ended by force: this still ran after the drain'));
  await stopped;
  await loops.stopLast();
  dependencies.kube?.close();
  await Promise.all([rbd.close(), longWork.close()]);
  log.info('berth stopped');
}

/** What a controller serves beside what every instance does. */
const controllerServices = (parts: ControllerParts) => ({
  Controller: controllerService(parts),
  GroupController: groupControllerService(parts),
  SnapshotMetadata: snapshotMetadataService(parts),
});

/** One line for each problem, once: what lasts is in the readiness, what comes later is for the doctor. */
async function sayWhatIsWrong(dependencies: Dependencies, additions: Additions): Promise<void> {
  const findings = await preflight(examinedBy(dependencies, additions, { versions: false }));
  const problems = findings.filter(({ level }) => level !== 'ok');
  for (const { name, level, says } of problems) {
    dependencies.log[level === 'failed' ? 'error' : 'warn']({ check: name }, `preflight: ${says}`);
  }
  dependencies.log.info({ checks: findings.length, problems: problems.length }, 'preflight ended');
}

function stopRequested(log: Logger): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        log.info({ signal }, 'asked to stop');
        resolve();
      });
    }
  });
}
