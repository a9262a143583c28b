/**
 * What a cluster may ask of its clients that the kernel's does not know. Whoever maps by such a client is not told so:
 * it tries again until its time is over, and whoever reads a device that was mapped before may wait for ever.
 */
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { NEW_KEY_NEEDS, newKeyType } from '../../../model/cephx.js';
import type { ClientDemands } from '../../port.js';

/** The release of CRUSH MSR, whose feature bit the monitors want of every client, in whatever pool. */
const FIRST_WITH_MSR = 'squid';
/** The same of primaries that are chosen by hand. */
const FIRST_WITH_PRIMARIES = 'reef';

/**
 * Why the kernel's client can use no image of the cluster; undefined where it can. The monitors turn it away with the
 * first word ("feature set mismatch" in the kernel's log), whatever pool it is for; one that was let in before stays.
 */
export function whyNotCluster({ leastRelease, movedPrimaries }: ClientDemands): string | undefined {
  if (leastRelease >= FIRST_WITH_MSR)
    return letsIn(leastRelease, 'a CRUSH rule of type MSR', 'remove the rule ("ceph osd crush rule rm")', 19);
  if (leastRelease < FIRST_WITH_PRIMARIES && movedPrimaries.length === 0) return undefined;
  const where = movedPrimaries.length === 0 ? '' : ` in pool ${movedPrimaries.join(', ')}`;
  return letsIn(
    FIRST_WITH_PRIMARIES,
    `primaries that were chosen by hand${where}, pg-upmap-primary`,
    'take them back ("ceph osd rm-pg-upmap-primary", "ceph balancer mode upmap")',
    18,
  );
}

const letsIn = (release: string, cause: string, remedy: string, number: number): string =>
  `the cluster lets in clients of Ceph ${release} and newer only (${cause}), and the kernel's would try in vain; ` +
  `${remedy}, or map with rbd-nbd of Ceph ${number} or newer (mounter: nbd)`;

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
