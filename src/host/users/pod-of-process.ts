/**
 * To which pod and container a process belongs, from the names that
 * kubelets and container runtimes give to cgroups and directories.
 */
import type { Mount } from '../mount/mountinfo.js';

export interface Home {
  /** The pod's uid, with dashes. */
  readonly pod?: string;
  /** The container's (or sandbox') id, 64 hexadecimal digits as a rule. */
  readonly container?: string;
}

/** A static pod's uid is a hash without dashes; the systemd driver writes `_` for `-`, which is its own separator. */
const UID =
  '[0-9a-f]{8}(?<dash>[-_])[0-9a-f]{4}\\k<dash>[0-9a-f]{4}\\k<dash>[0-9a-f]{4}\\k<dash>[0-9a-f]{12}|[0-9a-f]{32}';
/**
 * `kubepods-burstable-pod<uid>.slice`, `pod<uid>`,
 * and containerd's `kubepods-besteffort-pod<uid>.slice:cri-containerd:<id>`.
 */
const POD_SEGMENT = new RegExp(`(?:^|-)pod(?<uid>${UID})(?:\\.slice)?(?::|$)`);
const POD_DIRECTORY = new RegExp(`/pods/(?<uid>${UID})(?:/|$)`);
/**
 * `cri-containerd-<id>.scope`, `crio-<id>.scope`, `docker-<id>.scope`, `libpod-<id>`, `kata_<id>`,
 * `...:cri-containerd:<id>`, `<id>`.
 */
const CONTAINER_SEGMENT = /(?:^|[-_:])([0-9a-f]{64})(?:\.scope)?$/;

/**
 * By /proc/PID/cgroup: v1 has a line for each hierarchy, v2 one (`0::/...`), and from inside of a cgroup namespace a
 * path may begin with `/..`. Every line is read: some hierarchies of a hybrid node know nothing of pods.
 */
export function homeOfCgroup(text: string): Home {
  const homes = text.split('\n').map((line) => homeOfPath(line.split(':').slice(2).join(':')));
  const best = homes.find(({ pod }) => pod !== undefined) ?? homes.find(({ container }) => container !== undefined);
  return best ?? {};
}

/** The pod whose directory below the kubelet's root this path is in. */
export function podOfPath(path: string): string | undefined {
  const uid = POD_DIRECTORY.exec(path)?.groups?.['uid'];
  return uid === undefined ? undefined : dashed(uid);
}

/**
 * The pod of a container by its own mounts (/etc/hosts and the like are files below `/pods/<uid>/`): only where all of
 * them are of one pod, for a container that was shown the kubelet's whole directory has those of many.
 */
export function podOfMounts(mounts: readonly Pick<Mount, 'root'>[]): string | undefined {
  const pods = new Set(mounts.map(({ root }) => podOfPath(root)).filter((pod) => pod !== undefined));
  return pods.size === 1 ? [...pods][0] : undefined;
}

function homeOfPath(path: string): Home {
  const segments = path.split('/');
  const uid = segments.map((segment) => POD_SEGMENT.exec(segment)?.groups?.['uid']).find((one) => one !== undefined);
  const container = segments.map((segment) => CONTAINER_SEGMENT.exec(segment)?.[1]).findLast((id) => id !== undefined);
  return { ...(uid === undefined ? {} : { pod: dashed(uid) }), ...(container === undefined ? {} : { container }) };
}

const dashed = (uid: string): string => uid.replaceAll('_', '-');
