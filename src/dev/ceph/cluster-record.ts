/** What was decided when a cluster was first made, kept in its directory: every later `up` and `down` goes by it. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rename, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { berthError } from '../../model/errors.js';
import { freeAddress } from './address.js';
import { fitsSockets, type Layout } from './layout.js';
import { cephOrigin } from './programs.js';

export interface ClusterPool {
  readonly name: string;
  /** RADOS namespaces beside the default one. */
  readonly namespaces: readonly string[];
}

export interface Record {
  readonly version: 1;
  readonly fsid: string;
  readonly osdUuid: string;
  readonly address: string;
  /** Where admin sockets are: `run`, or a temporary directory where that path is too long for a socket. */
  readonly sockets: string;
  /** Pools that are there with all their namespaces. */
  readonly pools: readonly ClusterPool[];
  /** Which Ceph made it ({@link cephOrigin}); not there: the host's. Another release is not let at its stores. */
  readonly origin?: string;
}

/** The record, undefined where there is none; BERTH_CONFIG_INVALID where it cannot be read. */
export async function readRecord(layout: Layout): Promise<Record | undefined> {
  const text = await readFile(layout.record, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as Partial<Record>;
    if (record.version === 1 && record.address !== undefined) return record as Record;
  } catch (error) {
    throw berthError('BERTH_CONFIG_INVALID', { file: layout.record, why: 'it is not JSON' }, error);
  }
  throw berthError('BERTH_CONFIG_INVALID', { file: layout.record, why: 'it is not a cluster of this version' });
}

/** Atomic: a reader sees the old record or the new one. */
export async function writeRecord(layout: Layout, record: Record): Promise<void> {
  const temporary = `${layout.record}.new`;
  await writeFile(temporary, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 });
  await rename(temporary, layout.record);
}

/** Decide on identities for a new cluster, and on an address where the caller names none, and write them down. */
export async function newRecord(layout: Layout, address?: string): Promise<Record> {
  const record: Record = {
    version: 1,
    fsid: randomUUID(),
    osdUuid: randomUUID(),
    address: address ?? (await freeAddress(layout.directory)),
    sockets: fitsSockets(layout.run) ? layout.run : await mkdtemp(path.join(os.tmpdir(), 'berth-')),
    pools: [],
    origin: cephOrigin(),
  };
  await writeRecord(layout, record);
  return record;
}
