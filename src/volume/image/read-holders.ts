/**
 * Who holds a volume by its own record, and who has its image open: what attachment reconcile and `berth trace` compare
 * with the API.
 */
import { readHolderRecord, type Holder } from '../../attachment/holder-record.js';
import { isOfInstallation, nameNode, type Installation } from '../../attachment/node-identity.js';
import type { Deadline } from '../../model/deadline.js';
import type { Clusters } from '../../rbd/clusters.js';
import { describeLocks } from '../../rbd/image-lock.js';
import type { RbdPort } from '../../rbd/port.js';
import { findVolume, refuseUnlisted, type ImageLookup } from './find-volume.js';

export interface ReadHoldersParts extends ImageLookup {
  readonly clusters: ImageLookup['clusters'] & Pick<Clusters, 'listed'>;
  readonly rbd: Pick<RbdPort, 'head' | 'inspect'>;
  readonly installation: Pick<Installation, 'known'>;
}

export type ReadHolder = Pick<Holder, 'node' | 'since' | 'by' | 'state' | 'grant'>;

export interface HoldersOfVolume {
  /** Of this installation: those of whom its API knows. */
  readonly holders: readonly ReadHolder[];
  /** Of others, named for a person: their nodes may have the same names. */
  readonly elsewhere: readonly ReadHolder[];
  readonly mode: string | undefined;
  /** Client instances that have the image open; undefined where that was not asked. */
  readonly watchers: readonly string[] | undefined;
  /** Advisory locks as a person reads them; undefined where that was not asked. */
  readonly locks: string | undefined;
}

/**
 * Two OSD operations, and an open for `watchers`. 'absent' where Ceph has no such image; a handle whose place the
 * clusters file does not list is an error (BERTH_CLUSTER_UNKNOWN, BERTH_POOL_NOT_OURS), as is a record that cannot be
 * read (BERTH_RECORD_UNREADABLE) and an installation that is not known (BERTH_INSTALLATION_UNKNOWN).
 */
export async function readHolders(
  { clusters, rbd, installation }: ReadHoldersParts,
  {
    volume,
    role,
    watchers,
  }: { readonly volume: string; readonly role: 'controller' | 'node'; readonly watchers: boolean },
  deadline: Deadline,
): Promise<HoldersOfVolume | 'absent'> {
  const found = await findVolume({ clusters, rbd }, volume, role, undefined, deadline);
  if (found === undefined) {
    await refuseUnlisted(clusters, volume);
    return 'absent';
  }
  const record = readHolderRecord(found.head, volume);
  const own = await installation.known(deadline);
  const all = record?.holders ?? [];
  const detail = watchers ? await rbd.inspect(found.at, deadline) : undefined;
  return {
    holders: all.filter((one) => isOfInstallation(one, own)),
    elsewhere: all.filter((one) => !isOfInstallation(one, own)).map((one) => ({ ...one, node: nameNode(one) })),
    mode: record?.mode,
    watchers: detail?.watchers.map(({ address }) => address),
    locks: detail && describeLocks(detail.locks),
  };
}
