/**
 * Everything that has to be right before a volume can reach a pod, looked at one by one; nothing is changed, nobody is
 * waited for long.
 */
import type { FencingPolicy } from '../attachment/decide-detach.js';
import type { Exec } from '../host/process/exec.js';
import { lookAtClock, lookAtNode } from './machine/machine.js';
import { Deadline } from '../model/deadline.js';
import { isBerthError } from '../model/errors.js';
import type { Finding } from '../model/finding.js';
import type { Clusters, Role } from '../rbd/clusters.js';
import type { ClusterConfig } from '../rbd/clusters-file.js';
import { checkMappers } from './ceph/mappers.js';
import { checkMonitors } from './ceph/monitors.js';
import type { Mapper, MounterChoice } from '../rbd/mapping/mapper.js';
import type { RbdPort } from '../rbd/port.js';

export { worst, type Finding, type Level } from '../model/finding.js';

/** What is to be looked at, and with what. */
export interface PreflightInput {
  readonly exec: Exec;
  readonly rbd: Pick<RbdPort, 'identify' | 'blocklistRightsMissing'>;
  readonly clusters: Pick<Clusters, 'all' | 'access'>;
  /** What this process serves: a controller needs no more than clusters. */
  readonly roles: readonly Role[];
  readonly stateDirectory: string;
  readonly kubeletDirectory: string;
  readonly mounter: MounterChoice;
  /** Those that this program was built with beside krbd and rbd-nbd. */
  readonly moreMappers: readonly Pick<Mapper, 'name' | 'whyNot'>[];
  /** The controller's policy: with `never` it needs no right to fence. */
  readonly fencing: FencingPolicy;
  /** Ask programs for their versions: a child process each. */
  readonly versions: boolean;
}

const CLUSTER_MS = 5_000;
const SYS = '/sys';

/** Never throws; a check that breaks is a finding itself. */
export async function preflight(premises: PreflightInput): Promise<readonly Finding[]> {
  const isNode = premises.roles.includes('node');
  const machine = isNode ? lookAtNode(premises) : lookAtClock(premises.exec);
  const mappers = isNode ? lookAtMappers(premises) : [];
  return (await Promise.all([machine, mappers, lookAtClusters(premises)])).flat();
}

async function lookAtMappers(premises: PreflightInput): Promise<readonly Finding[]> {
  try {
    return await checkMappers({ ...premises, choice: premises.mounter, sysRoot: SYS });
  } catch (error) {
    return [{ name: 'mapper', level: 'warning', says: `could not be determined: ${messageOf(error)}` }];
  }
}

async function lookAtClusters(premises: PreflightInput): Promise<readonly Finding[]> {
  let all: readonly ClusterConfig[];
  try {
    all = await premises.clusters.all();
  } catch (error) {
    return [{ name: 'clusters-file', level: 'failed', says: messageOf(error) }];
  }
  const monitors = all.map((one) => checkMonitors(one.id, one.monitors, Deadline.after(CLUSTER_MS)));
  const users = premises.roles.flatMap((role) => all.map((one) => letsIn(premises, one, role)));
  const fences = all.map((one) => canFence(premises, one));
  const [answers, entries, rights] = await Promise.all([
    Promise.all(monitors),
    Promise.all(users),
    Promise.all(fences),
  ]);
  return [...answers.flat(), ...besideOthers(entries), ...rights.flat()];
}

async function letsIn({ rbd, clusters }: PreflightInput, config: ClusterConfig, role: Role): Promise<Finding> {
  const name = `cluster ${config.id} (${role})`;
  try {
    const access = await clusters.access(config, role);
    const { fsid } = await rbd.identify(access, Deadline.after(CLUSTER_MS));
    return { name, level: 'ok', says: `${fsid} lets in client.${access.user}` };
  } catch (error) {
    return { name, level: 'failed', says: messageOf(error) };
  }
}

/**
 * Found out now and not with the first node that dies. Nothing is said of a cluster that does not let us in: that is
 * said already.
 */
async function canFence(
  { rbd, clusters, roles, fencing }: PreflightInput,
  config: ClusterConfig,
): Promise<readonly Finding[]> {
  if (fencing === 'never' || !roles.includes('controller')) return [];
  const name = `fencing ${config.id}`;
  try {
    const access = await clusters.access(config, 'controller');
    const missing = await rbd.blocklistRightsMissing(access, Deadline.after(CLUSTER_MS));
    if (missing.length === 0) return [{ name, level: 'ok', says: `client.${access.user} may fence and let in again` }];
    const what = missing.map((right) => `osd blocklist ${right}`).join(' and ');
    const says = `client.${access.user} may not ${what}: a node that dies keeps its volumes, or stays locked out; give it the caps of docs/ceph-users.md, or set --fencing never`;
    return [{ name, level: 'failed', says }];
  } catch {
    return [];
  }
}

/** A cluster that does not let us in stops its own volumes; those of another go on. */
function besideOthers(entries: readonly Finding[]): readonly Finding[] {
  const oneWorks = entries.some(({ level }) => level === 'ok');
  return entries.map((one) => (oneWorks && one.level === 'failed' ? { ...one, level: 'warning' } : one));
}

/** Without the code in front: a finding has a name of its own. */
function messageOf(error: unknown): string {
  if (isBerthError(error)) return error.message.replace(/^BERTH_\w+: /, '');
  return error instanceof Error ? error.message : 'failed';
}
