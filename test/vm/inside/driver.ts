/**
 * The real driver process in front of the real kernel, and kubelet's and the sidecars' part of the conversation with
 * it.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { ProbeResponse__Output } from '../../../src/csi/gen/csi/v1/ProbeResponse.js';
import { ask, csiClient, type CsiClient } from '../../../src/dev/driver/csi-client.js';
import { startDriver, type Driver, type DriverOptions } from '../../../src/dev/driver/start-driver.js';
import { findProcesses } from '../../../src/dev/processes.js';
import { CLUSTER_ID, writeSettings } from '../../../src/dev/settings.js';
import { WRAPPER_NAME } from '../../../src/host/process/orphan-proof.js';
import { pollUntil } from '../../../src/model/time-limit.js';
import { Deadline } from '../../../src/model/deadline.js';
import { accessAs, session } from './session.js';

/** Ten seconds on a machine that has nothing else to do. */
const READY_MS = 240_000;
const PROBE_MS = 10_000;

export interface Node {
  readonly name: string;
  /** Below it are the state directory, the staging and target paths. */
  readonly directory: string;
  readonly client: CsiClient;
  readonly driver: Driver;
  /** All that the driver has logged. */
  log(): Promise<string>;
  stop(): Promise<void>;
}

/** Of the StorageClass, but for what a test adds. */
export const PARAMETERS = { clusterID: CLUSTER_ID, pool: session.pool };

export interface NodeStart extends Pick<DriverOptions, 'within' | 'program'> {
  /** What to wait for: that the cluster answered (default), or only that the driver does. */
  readonly until?: 'ready' | 'listening';
  /** Default: all. */
  readonly services?: DriverOptions['services'];
}

/** Start the driver that ships; what an earlier boot or driver of this name left is there. */
export async function startNode(name: string, how: NodeStart = {}): Promise<Node> {
  const { until = 'ready', services = ['identity', 'controller', 'node'], program = 'shipped', within = [] } = how;
  const directory = path.join(session.state, name);
  await mkdir(directory, { recursive: true });
  const { fsid, monitors, pool } = session;
  const user = (role: 'controller' | 'node') => ({ id: session.users[role].id, key: accessAs(role).key });
  const users = { controller: user('controller'), node: user('node') };
  const pools = [{ name: pool, namespaces: [] }];
  const { clusters } = await writeSettings(directory, { directory, conf: '', fsid, monitors, pools, users });
  const at = (file: string): string => path.join(directory, file);
  const driver = await startDriver({
    ...{ socket: at('csi.sock'), clustersFile: clusters, nodeId: name, stateDir: at('driver'), logFile: at('log') },
    ...{ services, program, within },
    // Of the two guests of a test only one has the stand-in of Kubernetes.
    options: ['--installation', 'guests'],
  });
  const client = csiClient(`unix://${at('csi.sock')}`);
  const stop = async (): Promise<void> => {
    client.close();
    await driver.stop();
  };
  const node = { name, directory, client, driver, log: () => readFile(at('log'), 'utf8'), stop };
  const answers = (): Promise<true | undefined> =>
    probe(node, PROBE_MS).then(
      () => true,
      () => undefined,
    );
  try {
    if (until === 'ready') await driver.ready(Deadline.after(READY_MS));
    else await pollUntil(answers, 'the driver to answer', Deadline.after(READY_MS));
  } catch (error) {
    await stop();
    throw error;
  }
  return node;
}

/** Answers within `ms`, whatever the clusters do; true where it says that it is ready. */
export async function probe({ client }: Node, ms: number): Promise<boolean> {
  const options = { deadline: Date.now() + ms };
  return (await ask<ProbeResponse__Output>((done) => client.identity.Probe({}, options, done))).ready?.value === true;
}

/** A shell that waits for the words of a command: they would stand behind its name (spare-children.ts). */
const isSpare = (argv: readonly string[]): boolean => argv.at(-1) === WRAPPER_NAME;

/** Command lines of the driver's children, but for the worker that speaks with Ceph and shells that wait. */
export async function childrenOf({ driver }: Node): Promise<readonly string[]> {
  const isWorker = (argument: string): boolean => argument.endsWith('/librbd/worker/worker.js');
  const all = await findProcesses(({ argv }) => !argv.some(isWorker) && !isSpare(argv));
  const parents = await Promise.all(all.map(({ pid }) => parentOf(pid)));
  return all.filter((_, index) => parents[index] === driver.pid).map(({ argv }) => argv.join(' '));
}

/** Undefined for a process that has just ended. */
async function parentOf(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const found = /^PPid:\s*(\d+)/m.exec(status)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Nothing of it is needed any more. */
export const forget = ({ directory }: Node): Promise<void> => rm(directory, { recursive: true, force: true });
