/**
 * Directories of our volumes below pods that Kubernetes does not have any more. They are named, never touched: the node
 * plugin clears what is provably at rest, and a person decides about the rest.
 */
import { lstat, readdir, readFile, realpath } from 'node:fs/promises';
import path from 'node:path';
import { topmostAt, readMounts, type Mount } from '../../host/mount/mountinfo.js';
import type { Finding } from '../../model/finding.js';
import { firstOf } from '../message-of.js';
import { FLEX_DRIVER } from './flex-driver.js';

const NAME = 'pod-directories';
const CSI = 'kubernetes.io~csi';
/** A pod that came after Kubernetes was asked is no orphan, in ms. */
const SETTLED_MS = 600_000;

export interface PodsExamined {
  readonly procRoot: string;
  readonly kubelet: string;
  /** As CSI names it. */
  readonly driver: string;
  /** UIDs of the pods that Kubernetes has on this node; undefined where nobody asked it. */
  readonly pods: ReadonlySet<string> | undefined;
}

export async function checkPodDirectories(examined: PodsExamined, now = Date.now()): Promise<Finding> {
  const { procRoot, driver, pods } = examined;
  // As the mount table has it.
  const kubelet = await realpath(examined.kubelet);
  const mounts = await readMounts(path.join(procRoot, 'self/mountinfo'));
  const found: string[] = [];
  let asked = 0;
  for (const uid of await readdir(path.join(kubelet, 'pods'))) {
    const own = path.join(kubelet, 'pods', uid);
    const volumes = await volumesOf(own, driver, mounts);
    if (volumes.length > 0) asked += 1;
    if (volumes.length === 0 || pods === undefined || pods.has(uid)) continue;
    const changed = (await lstat(own).catch(() => undefined))?.mtimeMs ?? now;
    if (now - changed < SETTLED_MS) continue;
    found.push(...volumes.map((one) => `${one.directory}: ${whatIs(one)}`));
  }
  if (pods === undefined) return { name: NAME, level: 'ok', says: `${asked} pods have volumes here; ${UNASKED}` };
  if (found.length === 0) return { name: NAME, level: 'ok', says: `${asked} pods have volumes here, and all exist` };
  return { name: NAME, level: 'warning', says: `of pods that Kubernetes does not have: ${firstOf(found)}; ${REMEDY}` };
}

const UNASKED = 'which of them Kubernetes still has is told by kubectl berth doctor --node';
const REMEDY =
  'the node plugin clears what is its own and at rest for ten minutes; unmount the others by hand, and never rm -r ' +
  'below a mount: docs/runbook.md, "Orphaned pod found"';

interface PodVolume {
  readonly directory: string;
  /** Its handle, where it is known. */
  readonly volume: string | undefined;
  readonly mount: Mount | undefined;
}

const whatIs = ({ volume, mount }: PodVolume): string => {
  const of = volume === undefined ? '' : ` of ${volume}`;
  if (mount === undefined) return `nothing is mounted there${of === '' ? '' : `, it was${of}`}`;
  return `${mount.source} (${mount.fsType})${of} is still mounted at ${mount.target}`;
};

/** Nothing that is mounted is entered: it may hang. */
async function volumesOf(pod: string, driver: string, mounts: readonly Mount[]): Promise<readonly PodVolume[]> {
  const found: PodVolume[] = [];
  for (const name of await entries(path.join(pod, 'volumes', CSI))) {
    const directory = path.join(pod, 'volumes', CSI, name);
    const hidden = topmostAt(mounts, directory);
    const said = hidden === undefined ? await saidBy(path.join(directory, 'vol_data.json')) : undefined;
    if (hidden !== undefined || said?.driverName === driver) {
      const mount = hidden ?? topmostAt(mounts, path.join(directory, 'mount'));
      found.push({ directory, volume: said?.volumeHandle, mount });
    }
  }
  for (const name of await entries(path.join(pod, 'volumes', FLEX_DRIVER))) {
    const directory = path.join(pod, 'volumes', FLEX_DRIVER, name);
    found.push({ directory, volume: undefined, mount: topmostAt(mounts, directory) });
  }
  return found;
}

const entries = (directory: string): Promise<readonly string[]> => readdir(directory).catch(() => []);

interface Said {
  readonly driverName?: string;
  readonly volumeHandle?: string;
}

const saidBy = async (file: string): Promise<Said | undefined> => {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Said;
  } catch {
    return undefined;
  }
};
