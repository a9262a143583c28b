/**
 * Records of the registry place that no snapshot stands behind any more, and snapshots that nobody was told of, or that
 * nobody names any more.
 */
import type { Deadline } from '../../../model/deadline.js';
import { formatGroupId } from '../../../model/snapshot/group-id.js';
import type { PoolRef, RbdPort } from '../../../rbd/port.js';
import { locate } from '../../image/find-volume.js';
import { deleteGroup, type DeleteGroupParts } from '../group/delete-group.js';
import { GroupRecords, GROUPS_OBJECT, type ReadGroup } from '../group/group-record.js';
import { recordedSnapshot, removeRecorded, type ClaimParts } from '../snapshot/claim-name.js';
import { NameRecords, SNAPSHOT_NAMES_OBJECT, type ReadRecord } from '../snapshot/name-record.js';
import { isOld, type Garbage } from './garbage.js';
import { judgeToldGroup, type ToldGroupParts } from './group-without-content.js';
import type { Knowledge } from './knowledge.js';

export interface RecordGarbageParts extends DeleteGroupParts, ToldGroupParts {
  readonly clusters: DeleteGroupParts['clusters'] & ClaimParts['clusters'];
  readonly rbd: DeleteGroupParts['rbd'] & ClaimParts['rbd'] & Pick<RbdPort, 'listRecords'>;
  readonly now: () => Date;
}

/** Records read in one operation. */
const PAGE = 500;

/** The keys of an omap of records, page by page: one operation each. */
export async function* keysOf(
  rbd: Pick<RbdPort, 'listRecords'>,
  registry: PoolRef,
  object: string,
  deadline: () => Deadline,
): AsyncGenerator<string> {
  for (let after = ''; ; ) {
    const page = await rbd.listRecords(registry, object, after, PAGE, deadline());
    yield* page.keys();
    const last = [...page.keys()].at(-1);
    if (last === undefined || page.size < PAGE) return;
    after = last;
  }
}

const groupsOf = ({ rbd }: RecordGarbageParts, registry: PoolRef) => new GroupRecords(rbd, registry);

/**
 * A group that was never answered, since the answer comes after `taken`, or whose delete was begun: one operation. One
 * that was taken is for the orchestrator to explain. BERTH_RECORD_UNREADABLE.
 */
export async function judgeGroup(
  parts: RecordGarbageParts,
  registry: PoolRef,
  name: string,
  known: Knowledge,
  deadline: Deadline,
): Promise<Garbage | undefined> {
  const seen = await groupsOf(parts, registry).read(name, deadline);
  if (seen === undefined || !isOld(seen.at, parts.now())) return undefined;
  const handle = formatGroupId({ cluster: registry.access.cluster, name, attempt: seen.attempt });
  const remove = (deadline: Deadline): Promise<void> => deleteGroup(parts, handle, [], undefined, deadline);
  if (seen.state === 'taken') return judgeToldGroup(parts, { registry, name, record: seen, remove }, known, deadline);
  return judgeCutShort(parts, registry, name, seen);
}

async function judgeCutShort(
  parts: RecordGarbageParts,
  registry: PoolRef,
  name: string,
  seen: ReadGroup,
): Promise<Garbage | undefined> {
  for (const { volume } of seen.members) if (!(await isListed(parts, volume))) return undefined;
  const { cluster } = registry.access;
  const remove = async (_known: unknown, deadline: Deadline): Promise<boolean> => {
    const now = await groupsOf(parts, registry).read(name, deadline);
    if (now?.text !== seen.text) return false;
    const handle = formatGroupId({ cluster, name, attempt: now.attempt });
    await deleteGroup(parts, handle, [], undefined, deadline);
    return true;
  };
  const what = seen.state === 'taking' ? 'its CreateVolumeGroupSnapshot' : 'its DeleteVolumeGroupSnapshot';
  return {
    kind: 'group',
    cluster,
    where: `${GROUPS_OBJECT} ${name}`,
    says: `a group snapshot of ${seen.members.map(({ volume }) => volume).join(', ')}: ${what} was cut short`,
    since: seen.at,
    end: { remove },
  };
}

/**
 * A name whose snapshot is not there, or was never answered, since the answer comes after its id stands in the record:
 * two operations. BERTH_RECORD_UNREADABLE.
 */
export async function judgeName(
  parts: RecordGarbageParts,
  registry: PoolRef,
  name: string,
  deadline: Deadline,
): Promise<Garbage | undefined> {
  const names = new NameRecords(parts.rbd, registry);
  const seen = await names.read(name, deadline);
  const kind = seen && (await kindOf(parts, name, seen, deadline));
  if (seen === undefined || kind === undefined) return undefined;
  const remove = async (_known: unknown, deadline: Deadline): Promise<boolean> => {
    const now = await names.read(name, deadline);
    if (now?.text !== seen.text) return false;
    if ((await kindOf(parts, name, now, deadline)) !== kind) return false;
    const found = await recordedSnapshot(parts, { name, secrets: undefined }, now, deadline);
    if (found !== undefined) await removeRecorded(parts, found, deadline);
    return names.forget(name, now, deadline);
  };
  const says = kind === 'untold-snapshot' ? 'a snapshot that was cut and never answered' : 'a name without a snapshot';
  return {
    kind,
    cluster: registry.access.cluster,
    where: `${SNAPSHOT_NAMES_OBJECT} ${name}`,
    says: `${says}, of volume ${seen.volume}`,
    since: seen.at,
    end: { remove },
  };
}

/** Nothing is said of a volume in a place that the clusters file does not list: its snapshot may be there. */
const isListed = async ({ clusters }: RecordGarbageParts, volume: string): Promise<boolean> =>
  (await locate(clusters, volume, 'controller', undefined)) !== undefined;

async function kindOf(
  parts: RecordGarbageParts,
  name: string,
  record: ReadRecord,
  deadline: Deadline,
): Promise<'snapshot-name' | 'untold-snapshot' | undefined> {
  if (!isOld(record.at, parts.now())) return undefined;
  if (!(await isListed(parts, record.volume))) return undefined;
  const found = await recordedSnapshot(parts, { name, secrets: undefined }, record, deadline);
  if (found === undefined) return 'snapshot-name';
  return record.snapshotId === undefined ? 'untold-snapshot' : undefined;
}
