/**
 * Reads the beginning of a device past the page cache: another node, or a mounted xfs, may have written since it was
 * cached. Keeps one of libuv's threads for as long as the device does not answer.
 */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { isErrno } from '../errno.js';

/** Bytes read; a multiple of every logical block size in use. */
export const PAGE_BYTES = 4096;

/** TypeScript's library for Node does not declare it, DOM's does. */
declare const WebAssembly: { Memory: new (size: { initial: number; maximum: number }) => { buffer: ArrayBuffer } };

/** What WebAssembly's memory is measured in, bytes. */
const MEMORY_PAGE_BYTES = 65_536;

/**
 * The first `bytes`, a multiple of {@link PAGE_BYTES}; fewer where it ends before. System call errors as they are.
 */
export async function readUncached(device: string, bytes = PAGE_BYTES): Promise<Buffer> {
  const file = await openDirect(device);
  try {
    // O_DIRECT wants page-aligned memory, which Buffer does not promise and WebAssembly does.
    const pages = Math.ceil(bytes / MEMORY_PAGE_BYTES);
    const memory = Buffer.from(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
    const { bytesRead } = await file.read(memory, 0, bytes, 0);
    return Buffer.from(memory.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

async function openDirect(device: string): Promise<FileHandle> {
  try {
    return await open(device, constants.O_RDONLY | constants.O_DIRECT);
  } catch (error) {
    // Some filesystems refuse O_DIRECT for image files; every block device takes it.
    if (isErrno(error, 'EINVAL')) return open(device, constants.O_RDONLY);
    throw error;
  }
}
