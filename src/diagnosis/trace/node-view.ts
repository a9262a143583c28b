/** What this node has of one volume: its journal's word, and what kernel and runtime have of it. Nothing is changed. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { deviceSizeBytes } from '../../host/device/block-device.js';
import { readMounts, topmostAt, type Mount } from '../../host/mount/mountinfo.js';
import type { JournalEntry, JournalTarget } from '../../journal/entry.js';
import { Journal } from '../../journal/journal.js';
import type { KataRecords } from '../../sandbox/kata/kata-records.js';
import { toldOf } from '../message-of.js';

export interface SeenTarget extends Pick<JournalTarget, 'readOnly'> {
  readonly path: string;
  readonly sandbox: JournalTarget['sandbox'] | undefined;
  readonly mount: Mount | undefined;
  /** Whether the runtime finds the volume; undefined for a pod of the host. */
  readonly hasKataRecord: boolean | undefined;
}

export interface StagedHere {
  readonly entry: JournalEntry;
  /** Of the device that the journal names, in bytes; undefined where there is no such device, or none was noted. */
  readonly deviceBytes: bigint | undefined;
  readonly staging: Mount | undefined;
  readonly targets: readonly SeenTarget[];
}

/**
 * `no node`: this process is a controller, or no node plugin ever ran here. `nothing`: there is a journal, and the
 * volume is not in it.
 */
export type NodeView =
  | { readonly kind: 'no node'; readonly why: string }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'unreadable'; readonly why: string }
  | ({ readonly kind: 'staged' } & StagedHere);

export interface NodeViewParts {
  /** Where the journal is; undefined for a process that is no node. */
  readonly stateDirectory: string | undefined;
  readonly kataRecords: Pick<KataRecords, 'read'>;
}

/** Never fails. */
export async function viewOfNode({ stateDirectory, kataRecords }: NodeViewParts, volume: string): Promise<NodeView> {
  if (stateDirectory === undefined) {
    return { kind: 'no node', why: 'this is a controller, which has none' };
  }
  const directory = join(stateDirectory, 'journal');
  if (!existsSync(directory)) return { kind: 'no node', why: `there is none in ${directory}` };
  try {
    const entry = await new Journal(directory).read(volume);
    return entry === undefined ? { kind: 'nothing' } : { kind: 'staged', ...(await seenOf(entry, kataRecords)) };
  } catch (error) {
    return { kind: 'unreadable', why: toldOf(error) };
  }
}

async function seenOf(entry: JournalEntry, kataRecords: Pick<KataRecords, 'read'>): Promise<StagedHere> {
  const mounts = await readMounts();
  const { mapping, stagingPath, targets } = entry;
  const size = mapping && deviceSizeBytes(mapping.device).catch(() => undefined);
  const seen = Object.entries(targets).map(async ([path, { readOnly, sandbox, asked = path }]): Promise<SeenTarget> => {
    const isKata = sandbox === 'kata';
    const record = isKata ? ((await kataRecords.read(path)) ?? (await kataRecords.read(asked))) : undefined;
    const mount = topmostAt(mounts, path);
    return { path, readOnly, sandbox, mount, hasKataRecord: isKata ? record?.info !== undefined : undefined };
  });
  return { entry, deviceBytes: await size, staging: topmostAt(mounts, stagingPath), targets: await Promise.all(seen) };
}

/** The volume of this node's device, by the journal; undefined where none of it has that device. */
export async function volumeOfDevice(stateDirectory: string, device: string): Promise<string | undefined> {
  const { entries } = await new Journal(join(stateDirectory, 'journal')).all();
  return entries.find(({ mapping }) => mapping?.device === device)?.volume;
}
