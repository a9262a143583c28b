/** The beginning of a device, read so that one that does not answer costs neither its caller nor anybody else. */
import type { Deadline } from '../../model/deadline.js';
import { programFile } from '../../model/package-root.js';
import { settledWithin, withinDeadline } from '../../model/time-limit.js';
import { run } from '../process/exec.js';
import { PAGE_BYTES, readUncached } from './direct-read.js';

const PROGRAM = programFile('host/device/first-page-program.js');
/** A device that is alive answers in a fraction of this, ms; a child takes longer only to start. */
const PATIENCE_MS = 500;

/**
 * The read that is in a thread. There is never more than one: libuv has four threads for all files of the process, a
 * read of a dead device cannot be taken back, and it lasts as long as the cluster is away.
 */
let inThread: Promise<Buffer> | undefined;

/** Past the page cache. System call errors as they are, BERTH_COMMAND_FAILED from a child; DEADLINE. */
export async function readFirstPage(device: string, deadline: Deadline): Promise<Buffer> {
  return (await readInThread(device, PAGE_BYTES, deadline)) ?? readInChild(device, deadline);
}

/**
 * The first `bytes` past the page cache, a multiple of {@link PAGE_BYTES}; fewer where the device ends before.
 * Undefined where a device that does not answer keeps the thread: then a child has to read. System call errors as they
 * are; DEADLINE.
 */
export async function readInThread(device: string, bytes: number, deadline: Deadline): Promise<Buffer | undefined> {
  // In line, while those before get on: a hundred volumes may come at once, and each child is a program of its own.
  while (inThread !== undefined) {
    const getsOn = await settledWithin(inThread, deadline.within(PATIENCE_MS).remaining());
    if (!getsOn) return undefined;
  }
  const read = readUncached(device, bytes);
  inThread = read;
  const free = (): void => {
    inThread = undefined;
  };
  read.then(free, free);
  return withinDeadline(read, `reading ${device}`, deadline);
}

/** Costs the start of a process, and nothing more when it never ends; the volume is busy until then. */
async function readInChild(device: string, deadline: Deadline): Promise<Buffer> {
  const { stdout } = await run(process.execPath, [PROGRAM, device], { deadline });
  return Buffer.from(stdout, 'base64');
}
