/**
 * What a cluster may ask of its clients that the kernel's does not know. Such a client is not told so: it tries again
 * for ever, or waits for answers that never come, and so does whoever reads the device.
 */
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { NEW_KEY_NEEDS, newKeyType } from '../../../model/cephx.js';
import type { ClientDemands } from '../../port.js';

/** The release of CRUSH MSR, whose feature bit the monitors want of every client, in whatever pool. */
const FIRST_WITH_MSR = 'squid';
const INSTEAD = 'or map with rbd-nbd of Ceph';

/** Is there nothing in it that the kernel's client does not know? */
export const asksNothingNew = ({ leastRelease, movedPrimaries }: ClientDemands): boolean =>
  leastRelease < FIRST_WITH_MSR && movedPrimaries.length === 0;

/**
 * Why the kernel's client can use no image of the pool; undefined where it can. In an image with a data pool, whose
 * name is not known here, any pool may be meant.
 */
export function whyNotPool(demands: ClientDemands, pool: string, hasDataPool = false): string | undefined {
  const { leastRelease, movedPrimaries } = demands;
  if (leastRelease >= FIRST_WITH_MSR)
    return (
      `the cluster lets in clients of Ceph ${leastRelease} and newer only (a CRUSH rule of type MSR), and the ` +
      `kernel's would try for ever; remove the rule ("ceph osd crush rule rm"), ${INSTEAD} 19 or newer (mounter: nbd)`
    );
  const moved = hasDataPool ? movedPrimaries[0] : movedPrimaries.find((one) => one === pool);
  if (moved === undefined) return undefined;
  return (
    `pool ${moved} has primaries that were chosen by hand (pg-upmap-primary), whose requests the kernel's client ` +
    'sends astray and waits for for ever; take them back ("ceph osd rm-pg-upmap-primary", "ceph balancer mode ' +
    `upmap"), ${INSTEAD} 18 or newer (mounter: nbd)`
  );
}

/** Symbols of libceph: of every version, and of those that know keys of type aes256k (net/ceph/crypto.c). */
const ANY_CRYPTO = ' ceph_crypto_key_decode';
const NEW_CRYPTO = ' ceph_crypto_key_prepare';
const OVERLAP = 64;

/** By the directory that was read: a kernel does not learn it later. */
const told = new Map<string, boolean>();

/**
 * Does the kernel's client know keys of type aes256k? Its own symbols say so, whatever version it calls itself: such a
 * change is taken over into older ones. Undefined while libceph is not loaded, or where symbols are not shown.
 */
export async function knowsNewKeys(procRoot: string): Promise<boolean | undefined> {
  const known = told.get(procRoot) ?? (await readSymbols(path.join(procRoot, 'kallsyms')));
  if (known !== undefined) told.set(procRoot, known);
  return known;
}

async function readSymbols(file: string): Promise<boolean | undefined> {
  let isLoaded = false;
  let before = '';
  try {
    for await (const chunk of createReadStream(file, { encoding: 'latin1' })) {
      const text = before + String(chunk);
      if (text.includes(NEW_CRYPTO)) return true;
      isLoaded ||= text.includes(ANY_CRYPTO);
      before = text.slice(-OVERLAP);
    }
  } catch {
    return undefined;
  }
  return isLoaded ? false : undefined;
}

/** Why the kernel's client cannot read this key; undefined where it can, or nobody knows. */
export async function whyNotKey(key: string, procRoot: string): Promise<string | undefined> {
  const type = newKeyType(key);
  if (type === undefined || (await knowsNewKeys(procRoot)) !== false) return undefined;
  return `its key is of ${type}, which the kernel's client does not know; ${NEW_KEY_NEEDS}`;
}
