/** What the monitors report of the pools of a volume, as far as it stops the volume: a cause of what stands behind. */
import { parseVolumeId, type VolumeId } from '../../../model/volume-id.js';
import { placementOf } from '../../../rbd/placement.js';
import type { ClusterHealth, HealthCheck, PlacementGroup } from '../../../rbd/port.js';
import type { ImageDescription } from '../../../volume/image/look/describe-image.js';
import { firstOf } from '../../message-of.js';
import { broken, type Break } from '../links.js';
import type { VolumeFacts } from '../volume-facts.js';

const FULL = /^POOL_(?:QUOTA_)?FULL$/;
const UNAVAILABLE = 'PG_AVAILABILITY';
const DAMAGED = /^(?:PG_DAMAGED|OBJECT_UNFOUND)$/;
/** The monitors say of groups that they do not serve only after a minute. */
const OSD_DOWN = 'OSD_DOWN';
const NO_ANSWER = /^BERTH_(?:DEADLINE|CLUSTER_UNREACHABLE)\b/;

/** Do the monitors say that something of the cluster does not serve, so that I/O may wait? */
export const mayStand = ({ checks }: ClusterHealth): boolean =>
  checks.some(({ code }) => code === OSD_DOWN || code === UNAVAILABLE);

export function poolBreaks({ health, handle = '', description, image }: VolumeFacts): readonly Break[] {
  const id = parseVolumeId(handle);
  if (health === undefined || id === undefined) return [];
  const isUnread = typeof image === 'object' && 'error' in image && NO_ANSWER.test(image.error);
  return health.checks.flatMap((check): readonly Break[] => {
    if (FULL.test(check.code)) return fullPool(check, [id.pool, description?.dataPool]);
    const isHeard = check.code === OSD_DOWN && isUnread;
    if (isHeard) return [broken('ObjectsUnavailable', `${firstOf([check.says, ...check.detail])}; ${WAITS}`)];
    if (check.code === UNAVAILABLE) return stoodBy('ObjectsUnavailable', WAITS, check, id, description);
    return DAMAGED.test(check.code) ? stoodBy('ObjectsDamaged', damageOf(check), check, id, description) : [];
  });
}

const WAITS =
  'I/O there waits, and goes on by itself once they serve: ceph health detail names them; no node has to be rebooted';

function damageOf({ code }: HealthCheck): string {
  const ask = code === 'OBJECT_UNFOUND' ? 'ceph pg PG list_unfound' : 'rados list-inconsistent-obj PG';
  return `${ask} names what is damaged, and berth trace - whose it is: docs/runbook.md, "PGs inconsistent"`;
}

function fullPool({ detail, pools }: HealthCheck, ours: readonly (string | undefined)[]): readonly Break[] {
  const full = pools.filter((pool) => ours.includes(pool));
  const said = detail.filter((line) => full.some((pool) => line.includes(`'${pool}'`)));
  if (full.length === 0) return [];
  const todo = 'nobody writes there, and writers go on once there is room: berth undelete lists what is kept, ';
  return [broken('PoolFull', `${firstOf(said)}; ${todo}ceph osd pool get-quota ${full[0] ?? ''}, ceph df`)];
}

/** Of the groups only those that objects of the volume may be in. */
function stoodBy(
  reason: 'ObjectsUnavailable' | 'ObjectsDamaged',
  todo: string,
  { detail, groups }: HealthCheck,
  id: VolumeId,
  description: ImageDescription | undefined,
): readonly Break[] {
  const found = groups.flatMap((group) => {
    const has = objectIn(group, id, description);
    const line = detail.find((one) => one.startsWith(`pg ${group.id} `)) ?? group.id;
    return has === undefined ? [] : [`${line}${has === '' ? '' : `, where ${has} belongs`}`];
  });
  return found.length === 0 ? [] : [broken(reason, `${firstOf(found)}; ${todo}`)];
}

/** More than any pool has groups for: one of so many is in each. */
const ENOUGH = 1_000_000;

/**
 * An object of the volume that the group has, if there is any data at that place; '' where objects may be there and
 * none can be named; undefined where none can be.
 */
function objectIn(
  { pool, seed, of }: PlacementGroup,
  { pool: own, namespace, image }: VolumeId,
  description: ImageDescription | undefined,
): string | undefined {
  if (description === undefined) return pool === own ? '' : undefined;
  const { imageId, objectCount, dataPool, parent } = description;
  const isThere = (name: string): boolean => placementOf(name, namespace, of) === seed;
  if (pool === own) {
    const records = [`rbd_header.${imageId}`, `rbd_id.${image}`, `rbd_object_map.${imageId}`];
    // All images of a place have it; to be opened only these ask there, for the parent's name or for the namespace.
    const asksDirectory = parent !== undefined || namespace !== '';
    const record = [...records, ...(asksDirectory ? ['rbd_directory'] : [])].find(isThere);
    if (record !== undefined) return record;
  }
  // Names of objects in a data pool begin with a pool's number, which nobody was asked for.
  if (dataPool !== undefined) return pool === dataPool ? '' : undefined;
  if (pool !== own) return undefined;
  for (let number = 0; number < Math.min(objectCount, ENOUGH); number += 1) {
    const name = `rbd_data.${imageId}.${number.toString(16).padStart(16, '0')}`;
    if (isThere(name)) return name;
  }
  return undefined;
}
