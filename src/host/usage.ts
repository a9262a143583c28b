/** How full a mounted filesystem is, as df shows it. */
import { statfs } from 'node:fs/promises';
import type { Deadline } from '../model/deadline.js';
import { bounded } from './bounded.js';

export interface Usage {
  readonly total: bigint;
  readonly used: bigint;
  /** For everybody: blocks kept back for root are neither used nor available. */
  readonly available: bigint;
}

export interface FilesystemUsage {
  readonly bytes: Usage;
  readonly inodes: Usage;
}

/**
 * Usage of the filesystem that holds `path`. System call errors as they are; DEADLINE where the filesystem does not answer: the call cannot
 * be cancelled and keeps one thread of libuv's pool until it does.
 */
export async function filesystemUsage(path: string, deadline: Deadline): Promise<FilesystemUsage> {
  const { bsize, blocks, bfree, bavail, files, ffree } = await bounded(
    statfs(path, { bigint: true }),
    `statfs of ${path}`,
    deadline,
  );
  return {
    bytes: { total: blocks * bsize, used: (blocks - bfree) * bsize, available: bavail * bsize },
    inodes: { total: files, used: files - ffree, available: ffree },
  };
}
