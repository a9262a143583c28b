/**
 * Does what we mount below the kubelet's root appear on the host and in pods, and go when it is unmounted there? Told
 * from the mount tables of this process and of pid 1.
 */
import { readlink, realpath } from 'node:fs/promises';
import path from 'node:path';
import { isThere } from '../../host/is-there.js';
import { isWithin, mountOf, readMounts, type Mount } from '../../host/mount/mountinfo.js';
import type { Finding } from '../../model/finding.js';
import { mountPlaces, sharedDirectories } from '../../volume/flexvolume/kubelet-directories.js';
import { seesAllProcesses } from './namespaces.js';

const NAME = 'mount-propagation';

export interface KubeletExamined {
  readonly procRoot: string;
  /** The kubelet's root; undefined where this machine has no kubelet. */
  readonly kubelet: string | undefined;
  /** As CSI names it. */
  readonly driver: string;
}

export async function checkPropagation({ procRoot, kubelet, driver }: KubeletExamined): Promise<Finding> {
  if (kubelet === undefined) return { name: NAME, level: 'ok', says: 'there is no kubelet here (--kubelet-dir none)' };
  const shared = sharedDirectories(kubelet);
  const missing = await whichAreMissing(shared);
  if (missing.length > 0) {
    const todo = 'correct --kubelet-dir and the volumes of this pod; without any kubelet say --kubelet-dir none';
    const says = `there is no kubelet at ${kubelet} (${missing.join(' and ')} is not there); ${todo}`;
    return { name: NAME, level: 'failed', says };
  }
  const own = await readMounts(path.join(procRoot, 'self/mountinfo'));
  const host = await hostMounts(procRoot);
  const heard = (await isHostsNamespace(procRoot)) ? [] : await deaf(own, mountPlaces(kubelet, driver));
  const why = [...(await unshared(own, host, shared)), ...heard];
  if (why.length === 0) return { name: NAME, level: 'ok', says: `${shared.join(' and ')}: shared with the host` };
  return { name: NAME, level: 'failed', says: why.join('; ') };
}

async function whichAreMissing(directories: readonly string[]): Promise<readonly string[]> {
  const there = await Promise.all(directories.map(isThere));
  return directories.filter((_, at) => there[at] !== true);
}

/** Are we no container, as far as that can be told? */
async function isHostsNamespace(procRoot: string): Promise<boolean> {
  const ours = await readlink(path.join(procRoot, 'self/ns/mnt')).catch(() => undefined);
  return ours !== undefined && ours === (await readlink(path.join(procRoot, '1/ns/mnt')).catch(() => undefined));
}

/** Undefined where pid 1 is not the host's, or is not ours to look at. */
async function hostMounts(procRoot: string): Promise<readonly Mount[] | undefined> {
  if (!(await seesAllProcesses(procRoot))) return undefined;
  return readMounts(path.join(procRoot, '1/mountinfo')).catch(() => undefined);
}

/** Only a member of a peer group passes its mounts on, and only to the other members: the host has to be one. */
async function unshared(
  own: readonly Mount[],
  host: readonly Mount[] | undefined,
  directories: readonly string[],
): Promise<readonly string[]> {
  const why: string[] = [];
  const resolved = await Promise.all(directories.map((one) => realpath(one)));
  const groups = resolved.map((one) => groupOf(mountOf(own, one)));
  const todo = 'set mountPropagation: Bidirectional in the container, on the host mount --make-rshared /';
  const alone = directories.filter((_, at) => groups[at] === undefined);
  if (alone.length > 0) {
    const then = 'so no pod will see what is mounted there';
    why.push(`${alone.join(' and ')}: not a shared mount, ${then}; ${todo}`);
  }
  if (host === undefined) return why;
  const hosts = new Set(host.map(groupOf));
  const strange = directories.filter((_, at) => groups[at] !== undefined && !hosts.has(groups[at]));
  if (strange.length > 0) {
    const then = 'so what is mounted there stays in this container';
    why.push(`${strange.join(' and ')}: shared, yet with no mount of the host, ${then}; ${todo}`);
  }
  return why;
}

/**
 * Other mounts of a container that show a place where volumes are mounted and hear nothing of the host: each keeps what
 * was mounted there when the container started.
 */
async function deaf(own: readonly Mount[], places: readonly string[]): Promise<readonly string[]> {
  const found = new Set<Mount>();
  for (const place of places) {
    const at = await realpath(place).catch(() => place);
    const shows = mountOf(own, at);
    if (shows === undefined) continue;
    const inside = path.join(shows.root, path.relative(shows.target, at));
    for (const mount of own) if (mount !== shows && showsDeaf(mount, shows, inside, at)) found.add(mount);
  }
  const todo =
    'its volumes stay busy after a restart of this container; mount it with mountPropagation: HostToContainer';
  return [...found].map(({ target }) => `${target} shows where volumes are mounted, without propagation: ${todo}`);
}

function showsDeaf(mount: Mount, shows: Mount, inside: string, place: string): boolean {
  if (mount.device !== shows.device || groupOf(mount) !== undefined || isSlave(mount)) return false;
  if (isWithin(mount.target, place) || mount.target === '/') return false;
  return isWithin(inside, mount.root) || isWithin(mount.root, inside);
}

const groupOf = (mount: Mount | undefined): string | undefined =>
  mount?.propagation.find((one) => one.startsWith('shared:'));
const isSlave = ({ propagation }: Mount): boolean => propagation.some((one) => one.startsWith('master:'));
