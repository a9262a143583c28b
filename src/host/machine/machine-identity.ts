/**
 * What tells this machine from another one that bears its name. It stays while nothing but the name, the disk's content
 * or the boot changes, and no two machines that run at the same time have the same.
 */
import { randomUUID } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { isErrno } from '../errno.js';

/** Written by the firmware or the hypervisor, and different in clones of an image; for root only. */
const HARDWARE_UUID = 'class/dmi/id/product_uuid';
/** Ours, on machines whose firmware has none: made at the first start, and gone with the disk. */
const OWN_ID = 'machine-id';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** What firmware says that was never given one: one digit throughout, or what a board's maker left in all of them. */
const MEANINGLESS = /^([0-9a-f])\1*$/;
const OF_ALL_BOARDS = new Set([
  '03000200-0400-0500-0006-000700080009',
  '12345678-1234-5678-90ab-cddeefaabbcc',
  '00020003-0004-0005-0006-000700080009',
]);

/**
 * The hardware's uuid; where it has none, an id that is kept in `stateDirectory`. Errors of that file only.
 * @param sysRoot `/sys`
 */
export async function machineIdentity(sysRoot: string, stateDirectory: string): Promise<string> {
  return (await hardwareUuid(sysRoot)) ?? ownId(stateDirectory);
}

async function hardwareUuid(sysRoot: string): Promise<string | undefined> {
  const text = await readFile(path.join(sysRoot, HARDWARE_UUID), 'utf8').catch(() => '');
  const uuid = text.trim().toLowerCase();
  const isUsable = UUID.test(uuid) && !MEANINGLESS.test(uuid.replaceAll('-', '')) && !OF_ALL_BOARDS.has(uuid);
  return isUsable ? uuid : undefined;
}

async function ownId(directory: string): Promise<string> {
  const file = path.join(directory, OWN_ID);
  try {
    const id = (await readFile(file, 'utf8')).trim();
    // What a power cut left of it says nothing; no volume can be staged under it.
    if (UUID.test(id)) return id;
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  const id = randomUUID();
  const draft = `${file}.tmp`;
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.writeFile(`${id}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
  return id;
}
