/**
 * Which Ceph a development cluster is made of: the host's own, or one that was unpacked (`--ceph`). The client, the
 * driver and its tools, may be of another release (`--client`); then all of this process runs in that root.
 */
import path from 'node:path';
import type { Exec } from '../../host/process/exec.js';
import { inRoot } from '../root/in-root.js';

/** Names the root of the cluster's programs to this process and its children; not there: the host's. */
export const CEPH_ROOT = 'BERTH_CEPH_ROOT';
/** Names the root in whose /usr this process runs already. */
export const CLIENT_ROOT = 'BERTH_CLIENT_ROOT';

/** Runs the cluster's programs: `ceph-mon`, `ceph`, `rbd`. */
export const cephPrograms = (exec: Exec): Exec => inRoot(exec, process.env[CEPH_ROOT]);

/** What the cluster is made of, as its record says it: `host`, or the name of a root. */
export const cephOrigin = (): string => nameOf(process.env[CEPH_ROOT]);

const nameOf = (root: string | undefined): string => (root === undefined ? 'host' : path.basename(root));

/** From Ceph 20.2.4 on a cluster makes and takes keys of a new type alone, which clients before it cannot read. */
const hasNewKeys = (root: string | undefined): boolean => nameOf(root).startsWith('sid-');

/** Is the cluster's key type one that its clients do not know? Then it has to be told to take the old one as well. */
export const needsOldKeys = (): boolean =>
  hasNewKeys(process.env[CEPH_ROOT]) && process.env[CLIENT_ROOT] !== process.env[CEPH_ROOT];
