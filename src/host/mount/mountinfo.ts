/** The kernel's table of mounts in this mount namespace: /proc/self/mountinfo as values (proc_pid_mountinfo(5)). */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { splitOptions } from '../../model/mount/mount-flags.js';

export interface Mount {
  readonly id: number;
  readonly parentId: number;
  /** "major:minor" of the filesystem; anonymous ("0:n") where it has no block device. */
  readonly device: string;
  /** What of the filesystem is mounted: "/", or the directory or file that was bound. */
  readonly root: string;
  readonly target: string;
  /** Of this mount only; `superOptions` are those of the filesystem. */
  readonly options: readonly string[];
  readonly fsType: string;
  readonly source: string;
  readonly superOptions: readonly string[];
  /** `shared:12`, `master:3`, `unbindable`; none for a private mount. */
  readonly propagation: readonly string[];
}

const MOUNTINFO = '/proc/self/mountinfo';

/** What was read last, taken apart: a call looks several times, and a node with thousands of mounts changes seldom. */
let last: { readonly text: string; readonly mounts: readonly Mount[] } = { text: '', mounts: [] };

/**
 * All mounts, in the kernel's order. Read in place: the kernel has the table in memory, every call of a node looks into
 * it many times, and a way through libuv's threads takes up to two hundred times as long. A table of a large node is a
 * megabyte: a call that waits for a child or for Ceph holds what it looked for, and not the table.
 */
export const readMounts = (file = MOUNTINFO): Promise<readonly Mount[]> =>
  Promise.resolve(mountsIn(readFileSync(file, 'utf8')));

function mountsIn(text: string): readonly Mount[] {
  if (text !== last.text) last = { text, mounts: parseMountinfo(text) };
  return last.mounts;
}

/**
 * What `path` leads to, where something is mounted exactly there: the topmost of stacked mounts, none that is hidden.
 */
export function mountAt(path: string, file = MOUNTINFO): Promise<Mount | undefined> {
  const text = readFileSync(file, 'utf8');
  // Most questions are about what is not there, and a busy node has thousands of mounts to take apart.
  return Promise.resolve(mayMention(text, path) ? topmostAt(mountsIn(text), path) : undefined);
}

/** No character of it is ever written otherwise. */
const PLAIN = /^[\w/.:@+=,~-]+$/;
const mayMention = (text: string, path: string): boolean => !PLAIN.test(path) || text.includes(` ${path} `);

/** Parse mountinfo; lines that are not of its format (there are none today) are left out. */
export function parseMountinfo(text: string): readonly Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const mount = parseLine(ownText(line));
    if (mount !== undefined) mounts.push(mount);
  }
  return mounts;
}

/** V8 lets a part of a text keep all of it: five hundred calls, each with one mount, would keep five hundred tables. */
const ownText = (part: string): string => Buffer.from(part).toString();

/** {@link mountAt} on a table read before. */
export function topmostAt(mounts: readonly Mount[], path: string): Mount | undefined {
  return mounts.filter((mount) => mount.target === path && !isCovered(mounts, mount)).at(-1);
}

/** The mount that `path` lies in, were it resolved now: the one at `path` itself or at the nearest directory above. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  const at = topmostAt(mounts, path);
  if (at !== undefined || path === '/') return at;
  return mountOf(mounts, dirname(path));
}

/** Mounts below `path`, `path` itself not counted. */
export function mountsBelow(mounts: readonly Mount[], path: string): readonly Mount[] {
  return mounts.filter((mount) => mount.target !== path && isWithin(mount.target, path));
}

function parseLine(line: string): Mount | undefined {
  const [id, parentId, device, root, target, options, ...rest] = line.split(' ');
  // Any number of optional fields (propagation) ends with a lone hyphen.
  const end = rest.indexOf('-');
  const [fsType, source, superOptions] = rest.slice(end + 1);
  if (device === undefined || root === undefined || target === undefined || options === undefined) return undefined;
  if (fsType === undefined || source === undefined || superOptions === undefined) return undefined;
  return {
    id: Number(id),
    parentId: Number(parentId),
    device,
    root: unescape(root),
    target: unescape(target),
    options: options.split(','),
    fsType: unescape(fsType),
    source: unescape(source),
    superOptions: splitOptions(unescape(superOptions)),
    propagation: rest.slice(0, Math.max(end, 0)),
  };
}

/** The kernel writes space, tab, newline and backslash as three octal digits (fs/proc_namespace.c, mangle). */
function unescape(field: string): string {
  if (!field.includes('\\')) return field;
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}

/** Does its path no longer lead to this mount, because another one is on top of it or of a directory above it? */
function isCovered(mounts: readonly Mount[], mount: Mount): boolean {
  const onTop = mounts.some((other) => isChild(other, mount.id) && other.target === mount.target);
  return onTop || !isReachable(mounts, mount);
}

/**
 * Does the mount's directory lie in the open, all the way up? The order of the table does not tell: since Linux 6.8 it
 * is sorted by mount id, and a mount that was moved keeps its id.
 */
function isReachable(mounts: readonly Mount[], mount: Mount): boolean {
  const hidden = mounts.some(
    (other) => isChild(other, mount.parentId) && other.target !== mount.target && isWithin(mount.target, other.target),
  );
  if (hidden) return false;
  const parent = mounts.find((other) => other.id === mount.parentId);
  return parent === undefined || parent === mount || isReachable(mounts, parent);
}

/** The first mount of all, an initramfs, is its own parent in the table. */
const isChild = (mount: Mount, parentId: number): boolean => mount.parentId === parentId && mount.id !== parentId;

/** Is `path` this directory, or below it, by its name? */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}
