/**
 * Mount flags: how they are read, which a user may give (how a filesystem is mounted, not what or where), and what they
 * mean to Berth. Nobody else takes one apart.
 */
import { berthError } from '../errors.js';

export interface MountFlag {
  readonly name: string;
  /** Behind its `=`, without quotes; undefined where there is none. */
  readonly value: string | undefined;
  /** As it was given. */
  readonly text: string;
}

/**
 * Flags of mount(8) that make it do something other than mount this device's filesystem, or use another device as well.
 */
const REFUSED = new Set([
  ...['bind', 'rbind', 'move', 'remount', 'loop', 'offset', 'sizelimit', 'encryption'],
  ...['shared', 'private', 'slave', 'unbindable', 'rshared', 'rprivate', 'rslave', 'runbindable'],
  ...['user', 'users', 'owner', 'group', 'helper', 'uhelper', 'fake', 'verity'],
  // External journals and logs: a path or number of another device of the node.
  ...['journal_dev', 'journal_path', 'logdev', 'rtdev', 'sb'],
]);
/** Families of such flags: subdirectories, id maps and mkdir (X-mount.*), their comments (x-*), dm-verity. */
const REFUSED_PREFIX = /^(x-|verity\.)/i;
/** What other filesystems know and ours refuse: an owner for all files, names in another character set. */
const OTHER_FILESYSTEMS = new Set([
  ...['uid', 'gid', 'umask', 'fmask', 'dmask', 'mode', 'iocharset', 'codepage', 'utf8'],
  ...['size', 'nr_inodes', 'subvol', 'subvolid', 'compress', 'vers', 'nfsvers', 'addr', 'username', 'password'],
]);
/** Labels of files, for the host's kernel alone: a guest has no such policy, and its kernel refuses them. */
const SELINUX = new Set(['context', 'fscontext', 'defcontext', 'rootcontext', 'seclabel']);

const PRINTABLE = /^[\x20-\x7e]+$/;
const NAME = /^[A-Za-z_][\w.-]*$/;
/**
 * mount(2) takes one page less its final NUL, silently cut (fs/namespace.c, copy_mount_options). Berth's own options
 * and commas take some of it.
 */
const MAX_BYTES = 4000;

/**
 * An option line taken apart as libmount does it (util-linux, lib/strutils.c, ul_optstr_next): a comma separates, but
 * neither between quotation marks nor behind a backslash.
 */
export function splitOptions(line: string): readonly string[] {
  const options: string[] = [];
  let option = '';
  let isQuoted = false;
  for (const [index, letter] of Array.from(line).entries()) {
    const isEscaped = line[index - 1] === '\\';
    if (letter === '"' && !isEscaped) isQuoted = !isQuoted;
    if (letter === ',' && !isEscaped && !isQuoted) {
      options.push(option);
      option = '';
    } else option += letter;
  }
  return [...options, option];
}

/** Each flag by itself, however many one entry carries: `["ro,noatime"]` is `["ro", "noatime"]`. */
export const readMountFlags = (flags: readonly string[]): readonly MountFlag[] =>
  flags.flatMap(splitOptions).map(readOne);

function readOne(text: string): MountFlag {
  const at = text.indexOf('=');
  if (at < 0) return { name: text, value: undefined, text };
  return { name: text.slice(0, at), value: text.slice(at + 1).replace(/^"(.*)"$/s, '$1'), text };
}

/**
 * Why a user may not give these flags, as a sentence; undefined where he may. A flag is only named up to its `=`:
 * values may be sensitive (CSI 1.12).
 */
export function whyNotMountFlags(flags: readonly string[]): string | undefined {
  if (flags.some((one) => !PRINTABLE.test(one))) return 'a flag is empty or holds control characters';
  const bytes = flags.join(',').length;
  if (bytes > MAX_BYTES) return `${bytes} bytes of mount flags, the limit is ${MAX_BYTES}`;
  const read = readMountFlags(flags);
  const names = new Set(read.map(({ name }) => name));
  if (names.has('ro') && names.has('rw')) return 'the mount flags ro and rw contradict each other';
  return read.map(whyNotFlag).find((why) => why !== undefined);
}

function whyNotFlag({ name, value, text }: MountFlag): string | undefined {
  if (text === '') return 'a flag is empty: two commas stand together, or one at an end';
  if (!NAME.test(name)) return 'a flag has no name that a mount flag can have';
  if (REFUSED.has(name.toLowerCase()) || REFUSED_PREFIX.test(name))
    return `the mount flag ${name} is not allowed, it changes what is mounted`;
  if (OTHER_FILESYSTEMS.has(name)) return `the mount flag ${name} is one of other filesystems`;
  // libmount takes marks off an SELinux context alone; the kernel would part what they hold at its commas.
  const isOpen = value !== undefined && /["\\]/.test(isSelinuxFlag({ name }) ? value : text);
  return isOpen
    ? `the mount flag ${name} has a quotation mark or backslash that is not around an SELinux context`
    : undefined;
}

/** BERTH_FIELD_INVALID naming `field` for what {@link whyNotMountFlags} refuses. */
export function checkMountFlags(field: string, flags: readonly string[]): void {
  const why = whyNotMountFlags(flags);
  if (why !== undefined) throw berthError('BERTH_FIELD_INVALID', { field, why });
}

export const isSelinuxFlag = ({ name }: Pick<MountFlag, 'name'>): boolean => SELINUX.has(name);

/** `ro` among them: the volume is only read, and its device mapped so. */
export const saysReadOnly = (flags: readonly string[]): boolean =>
  readMountFlags(flags).some(({ name }) => name === 'ro');

/** Asked by the user himself: what the journal or log still holds is not applied, and the files are as it left them. */
export const leavesJournal = (flags: readonly string[]): boolean =>
  readMountFlags(flags).some(({ name }) => name === 'noload' || name === 'norecovery');

/** Flags that every kernel shows for a mount that has them, and what takes them back when it comes later. */
const SHOWN: ReadonlyMap<string, string> = new Map([
  ...(['suid', 'dev', 'exec', 'atime', 'diratime'] as const).map((one) => [`no${one}`, one] as const),
  ['sync', 'async'],
]);

/**
 * Names of the flags that were asked for and are not in force, by what the kernel shows of the mount: its SELinux
 * labels, and what keeps programs and devices from being used. Flags that kernels may leave out are not looked for.
 */
export function lostFlags(asked: readonly MountFlag[], shown: readonly string[]): readonly string[] {
  const there = shown.map(readOne);
  const isLost = (flag: MountFlag, index: number): boolean => {
    const has = there.some(({ name, value }) => name === flag.name && value === flag.value);
    if (isSelinuxFlag(flag)) return !has;
    const opposite = SHOWN.get(flag.name);
    if (opposite === undefined) return false;
    return !has && !asked.slice(index).some(({ name }) => name === opposite || name === 'defaults');
  };
  return asked.filter(isLost).map(({ name }) => name);
}
