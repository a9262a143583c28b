/**
 * The group snapshot's handle: `cluster/<name of its snapshots in RBD>`. That name is made from the CSI name and the
 * attempt that cut them, so that no handle is ever given again.
 */
import { berthError } from '../errors.js';
import { isClusterName, MAX_ID_BYTES } from '../volume-id.js';

/** What a group snapshot's handle says. */
export interface GroupId {
  /** By its name in the clusters file. */
  readonly cluster: string;
  /** The group's name in RBD, by which its record is found. */
  readonly name: string;
  /** Random, eight hexadecimal digits. */
  readonly attempt: string;
}

/** Tells snapshots of groups from single ones and from those of others. */
export const GROUP_PREFIX = 'berth-group-';
const FORM = /^(berth-group-[A-Za-z0-9_.-]+)\.([0-9a-f]{8})$/;

/** What each member of the group is called in RBD. */
export const memberName = ({ name, attempt }: Omit<GroupId, 'cluster'>): string => `${name}.${attempt}`;

/** Undefined where the snapshot is no member of a group of ours. */
export function parseMemberName(snapshot: string): Omit<GroupId, 'cluster'> | undefined {
  const [, name, attempt] = FORM.exec(snapshot) ?? [];
  return name === undefined || attempt === undefined ? undefined : { name, attempt };
}

/** The handle as Kubernetes stores it; throws BERTH_FIELD_INVALID where it would not fit 128 bytes. */
export function formatGroupId(id: GroupId): string {
  const text = `${id.cluster}/${memberName(id)}`;
  if (Buffer.byteLength(text) <= MAX_ID_BYTES) return text;
  const why = `${text} is longer than ${MAX_ID_BYTES} bytes; use a shorter name of the cluster`;
  throw berthError('BERTH_FIELD_INVALID', { field: 'group snapshot id', why });
}

/** Read a handle; undefined where it cannot be one of ours: the contract takes it for a group that is not there. */
export function parseGroupId(text: string): GroupId | undefined {
  if (Buffer.byteLength(text) > MAX_ID_BYTES) return undefined;
  const [cluster = '', member = '', ...more] = text.split('/');
  const parsed = parseMemberName(member);
  return parsed === undefined || more.length > 0 || !isClusterName(cluster) ? undefined : { cluster, ...parsed };
}
