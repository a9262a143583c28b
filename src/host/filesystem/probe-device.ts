/**
 * What a device holds. A probe that did not work is an error and never "empty":
 * data was lost to that (rook#1553, ceph-csi#1820).
 */
import type { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { deviceSizeBytes } from '../device/block-device.js';
import { readInThread } from '../device/first-page.js';
import type { Exec, ExecResult } from '../process/exec.js';

export type DeviceContent =
  /** No signature, and nothing but zeroes in the first and last 4 MiB. */
  | { readonly kind: 'empty' }
  /** `type` as blkid spells it; `uuid` empty where the filesystem has none. */
  | { readonly kind: 'filesystem'; readonly type: string; readonly uuid: string }
  /** LUKS, LVM, a partition table, several signatures at once, or data that nobody knows. */
  | { readonly kind: 'other'; readonly what: string };

/** `what` of an `other` that is not zero and bears no signature: somebody's data, or what a cut-short mkfs leaves. */
export const UNSIGNED_DATA = 'data without a known signature';

/** Filesystems and databases leave something in one of the two. */
const EDGE_BYTES = 4n * 1024n * 1024n;
/** Every filesystem, volume manager and partition table that blkid knows has a signature here, but for some RAIDs. */
const HEAD_BYTES = 1024n * 1024n;
/** blkid(8): found; nothing found; several signatures. */
const BLKID = { found: 0, nothing: 2, ambivalent: 8 } as const;

/**
 * Read what an unmounted block device holds. BERTH_PROBE_FAILED where it cannot be read, BERTH_DEVICE_INVALID,
 * DEADLINE. Children do the reading: a dead device then costs no thread of ours.
 */
export async function probeDevice(exec: Exec, device: string, deadline: Deadline): Promise<DeviceContent> {
  const size = await deviceSizeBytes(device);
  if (size === 0n) throw berthError('BERTH_PROBE_FAILED', { device, why: 'it has a size of 0 bytes' });
  await dropCached(exec, device, deadline);
  // Zeroes first: every signature that blkid knows is in these edges, and it says "nothing found" of a device that
  // gives I/O errors too (measured, 2.38), so every zero is read in any case.
  const tail = size > EDGE_BYTES ? size - EDGE_BYTES : 0n;
  const bytes = size < EDGE_BYTES ? size : EDGE_BYTES;
  const edges = [...new Set([0n, tail])].map((offset) => isZero(exec, device, offset, bytes, deadline));
  if (!(await Promise.all(edges)).includes(false)) return { kind: 'empty' };
  return (await askBlkid(exec, device, [], deadline)) ?? { kind: 'other', what: UNSIGNED_DATA };
}

/**
 * Is there nothing but zeroes at the beginning of a device that its storage says was never written? A second opinion in
 * one read past the page cache, stricter than blkid's, where {@link probeDevice} reads what nobody else can vouch for.
 * Errors as there.
 */
export async function isBlank(exec: Exec, device: string, deadline: Deadline): Promise<boolean> {
  const size = await deviceSizeBytes(device);
  if (size === 0n) throw berthError('BERTH_PROBE_FAILED', { device, why: 'it has a size of 0 bytes' });
  const bytes = size < HEAD_BYTES ? size : HEAD_BYTES;
  const head = await readHead(device, Number(bytes), deadline);
  if (head !== undefined) return head.equals(Buffer.alloc(Number(bytes)));
  await dropCached(exec, device, deadline);
  return isZero(exec, device, 0n, bytes, deadline);
}

/** What the page cache kept while something had the device open: another node may have written since. */
async function dropCached(exec: Exec, device: string, deadline: Deadline): Promise<void> {
  await ask(exec, device, 'blockdev', ['--flushbufs', device], [0], deadline);
}

/** Undefined where a child has to read. */
async function readHead(device: string, bytes: number, deadline: Deadline): Promise<Buffer | undefined> {
  try {
    const head = await readInThread(device, bytes, deadline);
    return head?.length === bytes ? head : undefined;
  } catch (error) {
    if (isBerthError(error)) throw error;
    const why = error instanceof Error ? error.message : 'read failed';
    throw berthError('BERTH_PROBE_FAILED', { device, why }, error);
  }
}

/** What blkid finds in a file that bears what a device would; undefined for nothing. */
export const signatureOfFile = (exec: Exec, file: string, deadline: Deadline): Promise<DeviceContent | undefined> =>
  askBlkid(exec, file, [], deadline);

/**
 * Is this very filesystem there? Some reads where {@link probeDevice} takes dozens, each of which may go to the
 * cluster; false says only that a probe has to tell. Errors as there.
 */
export async function hasFilesystem(
  exec: Exec,
  device: string,
  { type, uuid }: { readonly type: string; readonly uuid: string },
  deadline: Deadline,
): Promise<boolean> {
  const found = await askBlkid(exec, device, ['--match-types', type], deadline);
  return found?.kind === 'filesystem' && found.type === type && found.uuid.toLowerCase() === uuid.toLowerCase();
}

/** What blkid's `export` output means; undefined for no signature. */
export function parseBlkid(stdout: string): DeviceContent | undefined {
  const values = new Map(stdout.split('\n').map((line) => splitAt(line, '=')));
  const type = values.get('TYPE');
  const table = values.get('PTTYPE');
  if (type !== undefined && values.get('USAGE') === 'filesystem') {
    return { kind: 'filesystem', type, uuid: values.get('UUID') ?? '' };
  }
  if (type !== undefined) return { kind: 'other', what: type };
  if (table !== undefined) return { kind: 'other', what: `a ${table} partition table` };
  return undefined;
}

async function askBlkid(
  exec: Exec,
  device: string,
  flags: readonly string[],
  deadline: Deadline,
): Promise<DeviceContent | undefined> {
  const answers = [BLKID.found, BLKID.nothing, BLKID.ambivalent];
  const args = ['--probe', '--output', 'export', ...flags, device];
  const result = await ask(exec, device, 'blkid', args, answers, deadline);
  if (result.exitCode === BLKID.ambivalent) return { kind: 'other', what: 'several signatures at once' };
  // A device that cannot be opened is "nothing found" for the exit code as well; only the message differs.
  if (result.stderr !== '') throw berthError('BERTH_PROBE_FAILED', { device, why: result.stderr });
  if (result.exitCode === BLKID.nothing) return undefined;
  return parseBlkid(result.stdout) ?? { kind: 'other', what: 'something that blkid does not name' };
}

async function isZero(exec: Exec, device: string, offset: bigint, bytes: bigint, deadline: Deadline): Promise<boolean> {
  const args = [`--bytes=${bytes}`, `--ignore-initial=${offset}:0`, device, '/dev/zero'];
  return (await ask(exec, device, 'cmp', args, [0, 1], deadline)).exitCode === 0;
}

/** Run a tool whose answer is one of `answers`; anything else means that the probe did not work. */
async function ask(
  exec: Exec,
  device: string,
  tool: string,
  args: readonly string[],
  answers: readonly number[],
  deadline: Deadline,
): Promise<ExecResult> {
  const any = Array.from({ length: 126 }, (_, code) => code);
  // blkid knows the signatures of a hundred formats, in bytes that a guest may have chosen.
  const confine = tool === 'blkid' ? { confine: { device, writable: false } } : {};
  const result = await exec(tool, args, { deadline, okCodes: any, ...confine });
  if (answers.includes(result.exitCode)) return result;
  throw berthError('BERTH_PROBE_FAILED', {
    device,
    why: `${tool} ended with ${result.exitCode}: ${result.stderr || 'no message'}`,
  });
}

function splitAt(line: string, separator: string): [string, string] {
  const at = line.indexOf(separator);
  return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
}
