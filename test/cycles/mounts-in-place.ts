/**
 * An Exec that makes the system calls of mount(8) and umount(8) itself, for a node that mounts some hundred thousand
 * times: the kernel is the real one, and no child is started for it. Every other program is run as it is.
 */
import koffi from 'koffi';
import { constants } from 'node:os';
import { run, type Exec, type ExecOptions, type ExecResult } from '../../src/host/process/exec.js';
import { berthError } from '../../src/model/errors.js';

/** 0, or -1 with the reason in errno. */
type SystemCall = (...args: (string | number | null)[]) => number;

const libc = koffi.load('libc.so.6');
const mountCall = libc.func(
  'int mount(const char *source, const char *at, const char *type, ulong flags, const char *data)',
) as SystemCall;
const umountCall = libc.func('int umount2(const char *at, int flags)') as SystemCall;

/** linux/mount.h, of those that are asked for here; other options are the filesystem's own. */
const FLAGS: Readonly<Record<string, number>> = { ro: 1, nosuid: 2, nodev: 4, noexec: 8, remount: 32, bind: 4096 };
/** mount(8) and umount(8): the system call failed. */
const FAILED = 32;

/** Of `--bind [-o ...] -- SOURCE TARGET`, `-t TYPE [-o ...] -- DEVICE TARGET`, `-o ... -- TARGET`: 0, or the errno. */
function mount(args: readonly string[]): number {
  const split = args.indexOf('--');
  const [named, paths] = [args.slice(0, split), args.slice(split + 1)];
  const valueOf = (flag: string): string | undefined =>
    named.includes(flag) ? named[named.indexOf(flag) + 1] : undefined;
  const options = (valueOf('-o') ?? '').split(',').filter((one) => one !== '');
  const isBind = named.includes('--bind');
  const own = options.filter((one) => FLAGS[one] === undefined);
  const flags = options.reduce((sum, one) => sum | (FLAGS[one] ?? 0), isBind ? (FLAGS['bind'] ?? 0) : 0);
  const target = paths.at(-1) ?? '';
  const source = paths.length === 2 ? (paths[0] ?? '') : null;
  // A bind takes no other flag along, as mount(8) knows: a second call makes it read-only.
  const first = isBind ? (FLAGS['bind'] ?? 0) : flags;
  const result = call(mountCall, source, target, valueOf('-t') ?? null, first, own.length > 0 ? own.join(',') : null);
  if (result !== 0 || first === flags) return result;
  return call(mountCall, null, target, null, flags | (FLAGS['remount'] ?? 0), null);
}

/** 0, or its errno. */
const call = (work: SystemCall, ...args: (string | number | null)[]): number =>
  work(...args) === 0 ? 0 : koffi.errno();

function answer(file: string, errno: number, { okCodes = [0] }: ExecOptions): Promise<ExecResult> {
  if (errno === 0) return Promise.resolve({ stdout: '', stderr: '', exitCode: 0 });
  const name = Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? String(errno);
  const stderr = `${file}: the system call failed with ${name}`;
  if (okCodes.includes(FAILED)) return Promise.resolve({ stdout: '', stderr, exitCode: FAILED });
  return Promise.reject(berthError('BERTH_COMMAND_FAILED', { command: file, how: `exit code ${FAILED}`, stderr }));
}

export const mountInPlace: Exec = (file, args, options) => {
  if (file === 'mount') return answer(file, mount(args), options);
  if (file === 'umount') return answer(file, call(umountCall, args.at(-1) ?? '', 0), options);
  return run(file, args, options);
};
