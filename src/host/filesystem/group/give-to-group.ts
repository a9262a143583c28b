/**
 * Walks over a mounted filesystem that nobody uses and gives all of it to a group, the root directory last: so that
 * tells whether all is done. Synchronous, for a process of its own.
 */
import * as fs from 'node:fs';
import { isErrno } from '../../errno.js';

/** Set-group-id and rwx for the group: what the root directory has once everything below it is done. */
export const DONE_BITS = 0o2070;
const SET_GROUP_ID = 0o2000;
const FILE_BITS = 0o060;
const MODE_BITS = 0o7777;
/** What is said of one file and not of the filesystem: it is immutable or append-only, or a quota is full. */
const REFUSED = ['EPERM', 'EACCES', 'EDQUOT', 'EINVAL', 'EOVERFLOW', 'EOPNOTSUPP'];
const REFUSED_SHOWN = 3;
const TELL_EVERY = 1000;

/** What a walk did. */
export interface Given {
  /** Files and directories that it came by. */
  readonly files: number;
  readonly changed: number;
  /** Those that could not be changed; `examples` are the first of them, with the reason. */
  readonly refused: number;
  readonly examples: readonly string[];
}

interface Walk {
  readonly gid: number;
  readonly device: number;
  readonly tell: (files: number) => void;
  files: number;
  changed: number;
  refused: number;
  readonly examples: string[];
}

/** Throws the system's error for what is about the whole filesystem: it is read-only, its device is gone. */
export function giveToGroup(root: string, gid: number, tell: (files: number) => void): Given {
  const { dev, mode } = fs.lstatSync(root);
  const walk: Walk = { gid, device: dev, tell, files: 0, changed: 0, refused: 0, examples: [] };
  const isDone = (mode & DONE_BITS) === DONE_BITS;
  // It may say "done" for the group before. Cut short, this walk must not leave that standing over files of both.
  if (isDone) attempt(walk, root, () => unmark(root, mode));
  const place = Buffer.from(root);
  giveBelow(walk, place);
  give(walk, place, fs.lstatSync(root));
  const { files, changed, refused, examples } = walk;
  return { files, changed, refused, examples };
}

function unmark(root: string, mode: number): boolean {
  fs.chmodSync(root, mode & MODE_BITS & ~SET_GROUP_ID);
  return true;
}

/** By an open directory at a time: names need not be text, and a path may be longer than the kernel takes at once. */
function giveBelow(walk: Walk, place: Buffer): void {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = fs.constants;
  const descriptor = fs.openSync(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  const here = `/proc/self/fd/${descriptor}`;
  try {
    // One at a time: a directory may have a million of them.
    const directory = fs.opendirSync(here, { encoding: 'buffer' as BufferEncoding });
    try {
      for (let one = directory.readSync(); one !== null; one = directory.readSync()) {
        giveEntry(walk, Buffer.concat([Buffer.from(`${here}/`), one.name as unknown as Buffer]));
      }
    } finally {
      directory.closeSync();
    }
  } finally {
    fs.closeSync(descriptor);
  }
}

function giveEntry(walk: Walk, place: Buffer): void {
  const found = fs.lstatSync(place);
  if (found.dev !== walk.device) return;
  if (found.isDirectory()) giveBelow(walk, place);
  give(walk, place, found);
}

function give(walk: Walk, place: fs.PathLike, found: fs.Stats): void {
  walk.files += 1;
  if (walk.files % TELL_EVERY === 0) walk.tell(walk.files);
  if (attempt(walk, place, () => change(walk.gid, place, found))) walk.changed += 1;
}

/** False where nothing was to be done. */
function change(gid: number, place: fs.PathLike, found: fs.Stats): boolean {
  const isOthers = found.gid !== gid;
  if (isOthers) fs.lchownSync(place, -1, gid);
  // The kernel takes set-user-id away with the old group.
  const { mode } = isOthers ? fs.lstatSync(place) : found;
  const bits = found.isDirectory() ? DONE_BITS : found.isFile() ? FILE_BITS : 0;
  const lacksBits = (mode & bits) !== bits;
  if (lacksBits) fs.chmodSync(place, (mode | bits) & MODE_BITS);
  return isOthers || lacksBits;
}

/** What `act` says; false where the kernel refuses it for this one file, as the kubelet lets it be. */
function attempt(walk: Walk, place: fs.PathLike, act: () => boolean): boolean {
  try {
    return act();
  } catch (error) {
    if (!isErrno(error, ...REFUSED)) throw error;
    walk.refused += 1;
    const { code = '' } = error as NodeJS.ErrnoException;
    if (walk.examples.length < REFUSED_SHOWN) walk.examples.push(`${nameOf(place)}: ${code}`);
    return false;
  }
}

/** Its own name only: the directory is an open descriptor. */
const nameOf = (place: fs.PathLike): string => place.toString().split('/').at(-1) ?? '';
