/**
 * Whether a user's options for mkfs make a filesystem that can be mounted as what was asked for, tried on a sparse file
 * before any image is made. Needs no privilege and no device.
 */
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { randomUUID } from 'node:crypto';
import type { FilesystemType } from '../../../model/capability.js';
import type { Deadline } from '../../../model/deadline.js';
import { berthError, isBerthError } from '../../../model/errors.js';
import type { Exec, ExecResult } from '../../process/exec.js';
import type { MkfsOption } from '../filesystem.js';
import { filesystems } from '../filesystems.js';
import { mkfsVersion } from './mkfs-version.js';
import { parseMkfsOptions } from './mkfs-options.js';
import { signatureOfFile, type DeviceContent } from '../probe-device.js';
import { complaint } from '../tool-failures.js';

/** What a trial may take, in ms; one that takes longer proves nothing. */
const TRY_MS = 20_000;
/** A filesystem is really made up to this size, in bytes, and written into the file: 256 MB at worst (`-i 1024`). */
const REAL_BYTES = 2n ** 30n;
/** How many sets of options are remembered: StorageClasses are few. */
const REMEMBERED = 100;
const ANY_CODE = Array.from({ length: 256 }, (_, code) => code);
/** AT_PAGESZ of getauxval(3). */
const PAGE_SIZE_KEY = 6n;

export class MkfsTrial {
  readonly #exec: Exec;
  readonly #warn: (why: string) => void;
  /** By type and options: the smallest size that was proved, for each power of two. */
  readonly #proved = new Map<string, Map<number, bigint>>();
  /** One at a time: many creates of one class then pay for one trial, and the disk holds one file. */
  #last: Promise<void> = Promise.resolve();

  /** @param warn told why a trial could not be made: then the options are taken as they are */
  constructor(exec: Exec, warn: (why: string) => void) {
    this.#exec = exec;
    this.#warn = warn;
  }

  /**
   * BERTH_FIELD_INVALID naming `field` for options that mkfs refuses for this size, or that make something else.
   * @param words the options, split at spaces; none cost nothing
   * @param sizeBytes of the device to come
   */
  async check(
    field: string,
    type: FilesystemType,
    words: readonly string[],
    sizeBytes: bigint,
    deadline: Deadline,
  ): Promise<void> {
    if (words.length === 0) return;
    const options = parseMkfsOptions(field, type, words);
    const key = JSON.stringify([type, words]);
    const turn = this.#last.then(async () => {
      if (this.#isProved(key, sizeBytes)) return;
      const verdict = await this.#try(type, options, sizeBytes, deadline.within(TRY_MS));
      if (verdict === 'works') this.#remember(key, sizeBytes);
      else if (verdict !== 'not told') throw berthError('BERTH_FIELD_INVALID', { field, why: verdict.why });
    });
    this.#last = turn.catch(() => undefined);
    await turn;
  }

  #isProved(key: string, sizeBytes: bigint): boolean {
    const smallest = this.#proved.get(key)?.get(classOf(sizeBytes));
    return smallest !== undefined && smallest <= sizeBytes;
  }

  #remember(key: string, sizeBytes: bigint): void {
    const [oldest] = this.#proved.keys();
    if (oldest !== undefined && this.#proved.size >= REMEMBERED && !this.#proved.has(key)) this.#proved.delete(oldest);
    const sizes = this.#proved.get(key) ?? new Map<number, bigint>();
    this.#proved.set(key, sizes.set(classOf(sizeBytes), sizeBytes));
  }

  async #try(
    type: FilesystemType,
    options: readonly MkfsOption[],
    sizeBytes: bigint,
    deadline: Deadline,
  ): Promise<'works' | 'not told' | { readonly why: string }> {
    let directory: string | undefined;
    try {
      directory = await mkdtemp(path.join(tmpdir(), 'berth-mkfs-'));
      const why = await this.#whyNot(path.join(directory, 'device'), type, options, sizeBytes, deadline);
      return why === undefined ? 'works' : { why };
    } catch (error) {
      // No room, no program, no time: the options are not to blame.
      if (!isBerthError(error) && (error as NodeJS.ErrnoException).code === undefined) throw error;
      this.#warn(error instanceof Error ? error.message : 'unknown');
      return 'not told';
    } finally {
      if (directory !== undefined) await rm(directory, { recursive: true, force: true });
    }
  }

  /** Undefined where it works, and where a smaller file cannot tell. */
  async #whyNot(
    device: string,
    type: FilesystemType,
    options: readonly MkfsOption[],
    sizeBytes: bigint,
    deadline: Deadline,
  ): Promise<string | undefined> {
    const { mkfsTrial } = filesystems[type];
    const isWhole = sizeBytes <= REAL_BYTES;
    if (mkfsTrial.makes === 'nothing' || !isWhole) {
      const dry = await this.#mkfs(device, type, [mkfsTrial.dryRun], options, sizeBytes, deadline);
      if (dry.exitCode !== 0) return refusal(type, sizeBytes, dry, device);
      const why = mkfsTrial.whyNotMountable?.(dry.stdout, await pageSize());
      if (why !== undefined || mkfsTrial.makes === 'nothing') return why;
    }
    // A number of inodes is one for the whole size, and has no bearing on what is made.
    const scaled = isWhole ? options : options.filter(({ flag }) => flag !== '-N');
    const size = isWhole ? sizeBytes : REAL_BYTES;
    const made = await this.#mkfs(device, type, [], [...scaled, ...mkfsTrial.sparse], size, deadline);
    if (made.exitCode !== 0) return isWhole ? refusal(type, sizeBytes, made, device) : undefined;
    return whyNotType(await signatureOfFile(this.#exec, device, deadline), type);
  }

  /** On a sparse file of this size, made anew. */
  async #mkfs(
    device: string,
    type: FilesystemType,
    first: readonly string[],
    options: readonly MkfsOption[],
    sizeBytes: bigint,
    deadline: Deadline,
  ): Promise<ExecResult> {
    await writeFile(device, '');
    await truncate(device, Number(sizeBytes));
    const tool = await mkfsVersion(this.#exec, type, deadline);
    const args = filesystems[type].mkfsArguments({ uuid: randomUUID(), options, force: false, sizeBytes, tool });
    return this.#exec(`mkfs.${type}`, [...first, ...args, device], { deadline, okCodes: ANY_CODE });
  }
}

/** mkfs ran out of the trial's own disk: an error that is none of the options'. */
const saysFullDisk = (result: ExecResult): boolean => /No space left on device/.test(result.stderr);

function refusal(type: FilesystemType, sizeBytes: bigint, result: ExecResult, device: string): string {
  // mkfs.xfs explains all its options after the one that is wrong.
  const [said = ''] = complaint(result).replaceAll(device, 'the device').split(' Usage: ');
  if (saysFullDisk(result)) throw berthError('BERTH_COMMAND_FAILED', { command: 'mkfs', how: 'a trial', stderr: said });
  return `mkfs.${type} refuses them for ${sizeBytes} bytes: ${said}`;
}

function whyNotType(found: DeviceContent | undefined, type: FilesystemType): string | undefined {
  if (found?.kind === 'filesystem' && found.type === type) return undefined;
  const what = found?.kind === 'filesystem' ? found.type : found?.kind === 'other' ? found.what : 'nothing';
  return `with these options mkfs.${type} makes ${what} and no ${type}, which could be mounted once at most`;
}

const classOf = (sizeBytes: bigint): number => sizeBytes.toString(2).length;

/** In bytes, of this machine; 4096 where it cannot be told. */
async function pageSize(): Promise<number> {
  const table = await readFile('/proc/self/auxv');
  for (let at = 0; at + 16 <= table.length; at += 16)
    if (table.readBigUInt64LE(at) === PAGE_SIZE_KEY) return Number(table.readBigUInt64LE(at + 8));
  return 4096;
}
