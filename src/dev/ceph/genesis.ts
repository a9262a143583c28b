/** Makes the parts of a new cluster, each once: a part without its mark was cut off half way and is made again. */
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isThere } from '../../host/is-there.js';
import type { Exec } from '../../host/process/exec.js';
import type { Deadline } from '../../model/deadline.js';
import { monitorVector } from './address.js';
import type { Admin } from './admin.js';
import { confText, OSD_BYTES } from './conf.js';
import { daemonArguments } from './daemons.js';
import type { Layout } from './layout.js';
import type { ClusterPool, Record } from './cluster-record.js';
import { needsOldKeys } from './programs.js';
import { makeKeyrings } from './users.js';

/** Run `make` on an empty directory unless its mark says that this was done before; true where it ran. */
async function once(directory: string, make: () => Promise<void>): Promise<boolean> {
  const mark = `${directory}.made`;
  if (await isThere(mark)) return false;
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { mode: 0o700 });
  await make();
  await writeFile(mark, '');
  return true;
}

/** Directories and ceph.conf (written anew each time, it follows from the record). */
export async function makeSite(layout: Layout, record: Record): Promise<void> {
  const directories = [layout.keys, layout.log, layout.run, layout.crash, layout.mgr, record.sockets];
  await Promise.all(directories.map((directory) => mkdir(directory, { recursive: true, mode: 0o700 })));
  await writeFile(layout.conf, confText(layout, record));
}

/** The monitor's store, born knowing every key, with caps for these pools; false where it was there already. */
export async function makeMonitor(
  exec: Exec,
  layout: Layout,
  record: Record,
  pools: readonly ClusterPool[],
  deadline: Deadline,
): Promise<boolean> {
  const options = { deadline };
  return once(layout.mon, async () => {
    const names = pools.map((pool) => pool.name);
    const keyring = await makeKeyrings(exec, layout, names, deadline);
    const map = ['--create', '--clobber', '--addv', 'a', monitorVector(record.address), '--fsid', record.fsid];
    const ciphers = needsOldKeys() ? ['--auth-allowed-ciphers', 'aes,aes256k', '--auth-preferred-cipher', 'aes'] : [];
    await exec('monmaptool', [...map, ...ciphers, layout.monmap], options);
    const mkfs = ['--mkfs', '-c', layout.conf, '-i', 'a', '--monmap', layout.monmap, '--keyring', keyring];
    await exec('ceph-mon', mkfs, options);
    await rm(keyring);
  });
}

/** The OSD: its BlueStore on a sparse file, its number and its place in the cluster's map. */
export async function makeOsd(
  exec: Exec,
  layout: Layout,
  record: Record,
  admin: Admin,
  deadline: Deadline,
): Promise<void> {
  const store = async (): Promise<void> => {
    const block = path.join(layout.osd, 'block');
    await writeFile(block, '', { mode: 0o600 });
    await truncate(block, OSD_BYTES);
    const mkfs = [...daemonArguments(layout, 'osd'), '--mkfs', '--osd-uuid', record.osdUuid];
    await exec('ceph-osd', mkfs, { deadline });
  };
  const place = async (): Promise<void> => {
    // The first one is number 0; the same uuid again is the same number.
    await admin.ceph(['osd', 'new', record.osdUuid], deadline);
    await admin.ceph(['osd', 'crush', 'add', 'osd.0', '1', 'root=default', 'host=dev'], deadline);
  };
  await once(layout.osd, async () => {
    await Promise.all([store(), place()]);
  });
}
