/** The host's side of a volume that a guest has: its records, and a stand-in for the guest's kernel. */
import { mkdtemp, readdir, readFile, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';

export interface SeenRecord {
  /** The path that it is for. */
  readonly path: string;
  readonly volume: string | undefined;
  readonly device: string;
  readonly fstype: string;
  readonly options: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

const soon = (): Deadline => Deadline.after(60_000);

/** Every entry of the directory has to be a record: nothing else may lie there, not even for a moment after a call. */
export async function recordsOf(directory: string): Promise<readonly SeenRecord[]> {
  const names = await readdir(directory).catch(() => []);
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(path.join(directory, name, 'mountInfo.json'), 'utf8');
      const record = JSON.parse(text) as SeenRecord;
      const at = Buffer.from(name, 'base64url').toString();
      return { ...record, path: at, volume: record.metadata['rbd.csi.berth.dev/volume-id'] };
    }),
  );
}

/** The record for this path; throws where there is none. */
export async function recordAt(directory: string, at: string): Promise<SeenRecord> {
  const found = (await recordsOf(directory)).find((one) => one.path === at);
  if (found === undefined) throw new Error(`there is no record for ${at}`);
  return found;
}

/** Mount the device as its guest would, with this machine's kernel in place of the guest's, and let go of it again. */
export async function asGuest<T>(
  { device, fsType }: { readonly device: string; readonly fsType: string },
  use: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(path.join(tmpdir(), 'berth-guest-'));
  try {
    await run('mount', ['-t', fsType, device, directory], { deadline: soon() });
    try {
      return await use(directory);
    } finally {
      await run('umount', [directory], { deadline: soon() });
    }
  } finally {
    await rmdir(directory);
  }
}
