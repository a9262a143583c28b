/** Builds images with buildah, which needs no engine: its own storage in our cache, and chroot for its isolation. */
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import type { Exec } from '../../host/process/exec.js';
import type { Deadline } from '../../model/deadline.js';

/** What buildah and mmdebstrap say goes there, for it is long. */
const LOGGED = 'log=$1; shift; exec "$@" >> "$log" 2>&1';

export const imageCache = (): string =>
  process.env['BERTH_IMAGE_CACHE'] ??
  path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'berth-image');

export interface Builder {
  readonly cache: string;
  readonly log: string;
  /** A program whose output goes to the log. BERTH_COMMAND_FAILED, DEADLINE. */
  readonly logged: (file: string, ...args: readonly string[]) => Promise<void>;
  /** buildah's own output. BERTH_COMMAND_FAILED, DEADLINE. */
  readonly buildah: (...args: readonly string[]) => Promise<string>;
  /** The same, its output to the log. */
  readonly build: (...args: readonly string[]) => Promise<void>;
}

/** Everything of one build has this deadline; `log` is appended to. */
export async function startBuilder(exec: Exec, log: string, deadline: Deadline): Promise<Builder> {
  const cache = imageCache();
  await mkdir(cache, { recursive: true, mode: 0o700 });
  const storage = ['--root', path.join(cache, 'storage'), '--runroot', path.join(cache, 'run')];
  const logged = async (file: string, ...args: readonly string[]): Promise<void> => {
    await exec('sh', ['-c', LOGGED, 'logged', log, file, ...args], { deadline });
  };
  const buildah = async (...args: readonly string[]): Promise<string> =>
    (await exec('buildah', [...storage, ...args], { deadline })).stdout.trim();
  return { cache, log, logged, buildah, build: (...args) => logged('buildah', ...storage, ...args) };
}

/** A working container of an image, gone afterwards. */
export async function withContainer<T>(
  { buildah }: Builder,
  from: readonly string[],
  use: (container: string) => Promise<T>,
): Promise<T> {
  const container = await buildah('from', '--pull-never', ...from);
  try {
    return await use(container);
  } finally {
    await buildah('rm', container);
  }
}
