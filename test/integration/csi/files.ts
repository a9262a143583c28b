/** Reads and writes on volumes as a pod would: synced, at an offset, and through the device where it is raw. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';

/** Write a file into a published filesystem and sync it. */
export async function put(target: string, text: string, name = 'file'): Promise<void> {
  await writeFile(path.join(target, name), text, { flush: true });
}

export const get = (target: string, name = 'file'): Promise<string> => readFile(path.join(target, name), 'utf8');

/** Size, used and available bytes as df has them. */
export async function df(target: string): Promise<{ size: bigint; used: bigint; available: bigint }> {
  const args = ['--block-size=1', '--output=size,used,avail', target];
  const { stdout } = await run('df', args, { deadline: Deadline.after(10_000) });
  const [size = '', used = '', available = ''] = stdout.trim().split('\n').at(-1)!.trim().split(/\s+/);
  return { size: BigInt(size), used: BigInt(used), available: BigInt(available) };
}

async function withDevice<T>(device: string, flags: number, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(device, flags);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

const SECTOR = 4096;
/** One sector full of a text. */
const sectorOf = (text: string): Buffer => Buffer.alloc(SECTOR, `${text}|`);

/** Write a sector of a raw volume and sync it. */
export const putSector = (device: string, at: number, text: string): Promise<void> =>
  withDevice(device, constants.O_RDWR, async (file) => {
    await file.write(sectorOf(text), 0, SECTOR, at);
    await file.sync();
  });

/** Does a sector of a raw volume hold this text? Asked of the device, not of this machine's cache of it. */
export async function hasSector(device: string, at: number, text: string): Promise<boolean> {
  await run('blockdev', ['--flushbufs', device], { deadline: Deadline.after(10_000) });
  const found = await withDevice(device, constants.O_RDONLY, async (file) => {
    const { buffer } = await file.read(Buffer.alloc(SECTOR), 0, SECTOR, at);
    return buffer;
  });
  return found.equals(sectorOf(text));
}

export const deviceSize = async (device: string): Promise<number> =>
  Number((await run('blockdev', ['--getsize64', device], { deadline: Deadline.after(10_000) })).stdout);

/** Writes and syncs without a pause until it is told to stop; then says how often, or throws what went wrong. */
export function keepWriting(target: string): () => Promise<number> {
  const until = new AbortController();
  const work = (async () => {
    const file = await open(path.join(target, 'heartbeat'), 'a+');
    let count = 0;
    try {
      while (!until.signal.aborted) {
        await file.write(`beat ${count}\n`);
        await file.sync();
        count += 1;
        await sleep(10);
      }
    } finally {
      await file.close();
    }
    const lines = (await readFile(path.join(target, 'heartbeat'), 'utf8')).trimEnd().split('\n');
    if (lines.length !== count) throw new Error(`${count} beats were written, ${lines.length} are there`);
    return count;
  })();
  work.catch(() => undefined);
  return () => {
    until.abort();
    return work;
  };
}

/** Any text of about this many bytes that compresses badly, and its hash. */
export function payload(bytes: number, seed: string): { readonly text: string; readonly hash: string } {
  let text = '';
  for (let index = 0; text.length < bytes; index += 1) text += hashOf(`${seed} ${index}`);
  return { text, hash: hashOf(text) };
}

export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
