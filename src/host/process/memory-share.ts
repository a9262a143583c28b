/**
 * How much memory a tool may take: of what this process's container, or else the machine, still has, without what the
 * driver needs itself. A container that is over its limit is ended whole, with the driver.
 */
import { readFile } from 'node:fs/promises';

export interface MemoryShare {
  readonly bytes: number;
  readonly giveBack: () => void;
}

const MIB = 1024 * 1024;
/** For this process and its librbd worker, the small commands beside them, and the kernel's buffers. */
const RESERVED = 384 * MIB;
/** The least that a tool gets: its libraries and the tables of a small filesystem. */
const LEAST = 64 * MIB;
/** The limit of the own cgroup: version 2, and 1, as a container sees them. */
const LIMITS = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'];
const MEMINFO = '/proc/meminfo';

/** What tools that run now have been given, in bytes. */
let given = 0;

/**
 * Take a share until it is given back. @param part of what is left: `half` leaves room for others, `all` does not
 */
export async function takeMemory(
  part: 'half' | 'all',
  files = { limits: LIMITS, meminfo: MEMINFO },
): Promise<MemoryShare> {
  const total = Math.min(await limitOf(files.limits), await available(files.meminfo));
  const left = total - RESERVED - given;
  const bytes = Math.max(LEAST, Math.floor(part === 'all' ? left : left / 2));
  given += bytes;
  return {
    bytes,
    giveBack: () => {
      given -= bytes;
    },
  };
}

async function limitOf(files: readonly string[]): Promise<number> {
  const limits = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => 'max')));
  return Math.min(...limits.map((text) => (/^\d+/.test(text) ? Number(text) : Infinity)));
}

/** What the kernel could give without swapping; all there is where it does not say. */
async function available(file: string): Promise<number> {
  const kib = /^MemAvailable:\s*(\d+) kB$/m.exec(await readFile(file, 'utf8').catch(() => ''))?.[1];
  return kib === undefined ? Infinity : Number(kib) * 1024;
}
