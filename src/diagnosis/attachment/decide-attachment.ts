/**
 * Why an attachment is stuck, decided from facts alone, so that every cause can be a test; it never decides that a
 * detach is safe.
 */
import { isOtherGrant } from '../../attachment/holder-record.js';
import type { ApiNode } from '../../kube/volume-attachments.js';
import { isMultiNode, isAccessMode } from '../../model/capability.js';
import type { HoldersOfVolume } from '../../volume/image/read-holders.js';
import { attacherFinalizer, type AttachmentFacts, type AttachmentFinding, type Reason } from './attachment-facts.js';

export interface Measure {
  /** ISO 8601. */
  readonly now: string;
  /** How old an attachment, or its deletion, must be before it is examined, in ms. */
  readonly ageMs: number;
  readonly driver: string;
}

/** Undefined where all is well, or too young to say. */
export function judge(facts: AttachmentFacts, measure: Measure): AttachmentFinding | undefined {
  const { attachment } = facts;
  if (attachment === undefined) return namedInCephOnly(facts, measure);
  const { deletingSince } = attachment;
  if (!isOlder(deletingSince ?? attachment.since, measure)) return undefined;
  return deletingSince === undefined ? alive(facts, measure) : leaving(facts, deletingSince, measure);
}

/** An attachment that is wanted. */
function alive(facts: AttachmentFacts, measure: Measure): AttachmentFinding | undefined {
  const { attachment, nodeName, image } = facts;
  if (attachment === undefined) return undefined;
  const name = `VolumeAttachment ${attachment.name}`;
  const state = stateOf(facts);
  const isNamed = state !== undefined && isNamedIn(state, facts.nodeId);
  if (attachment.attached && isNamed) return otherGrant(facts, measure) ?? lostNode(facts, name);
  if (facts.volume === undefined) return volumeUnknown(facts, name);
  if (image === 'absent') return found(facts, 'ImageGone', `${name} is for ${facts.volume}, which Ceph does not have`);
  if (state === undefined) return found(facts, 'CephSilent', silence(facts, name));
  const others = [...state.holders, ...state.elsewhere].map((one) => one.node);
  if (attachment.attached) {
    const says = `${name} says that ${nodeName} has it, and the image's record names ${others.join(', ') || 'nobody'}`;
    const then = 'the attacher writes it again within minutes, until then no other node is kept away';
    return found(facts, 'AttachedInApiOnly', `${says}; ${then}`);
  }
  if (isNamed) {
    const says = `${name} is not marked attached although the image's record names ${nodeName}`;
    return found(facts, 'AttachUnconfirmed', `${says}; is csi-attacher running?`);
  }
  return notComing(facts, name, others);
}

/** The stage shows what the attachment says, and the record wants another: it would be refused for ever. */
function otherGrant(facts: AttachmentFacts, measure: Measure): AttachmentFinding | undefined {
  const { attachment, nodeName, nodeId } = facts;
  const holder = holderIn(stateOf(facts), nodeId);
  if (!isOtherGrant(attachment?.grant, holder?.grant) || !isOlder(holder?.since, measure)) return undefined;
  const name = attachment?.name ?? '';
  const says = `VolumeAttachment ${name} carries another grant than the image’s record has for ${nodeName}`;
  const todo = `its stages are refused; kubectl delete volumeattachment ${name}, and it is attached anew`;
  return found(facts, 'GrantOutdated', `${says}, and ${todo}`);
}

/**
 * API and image agree, and the node that both name is not one that can serve it: nothing moves by itself then, for
 * nobody has asked for a detach. The reconciler, which looks no further where both agree, never comes here.
 */
function lostNode(facts: AttachmentFacts, name: string): AttachmentFinding | undefined {
  const cause = nodeCause(facts.node, facts.nodeName);
  if (cause === undefined) return undefined;
  const { nodeName } = facts;
  const says = `${name} and the image’s record both name ${nodeName} (${openAt(stateOf(facts))}), and ${cause.says}`;
  return found(facts, cause.reason, `${says}; ${WAY_OUT[cause.reason].replace('NODE', nodeName)}`);
}

const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service=nodeshutdown:NoExecute';
/** NODE stands for its name. */
const WAY_OUT: Readonly<Record<Cause['reason'], string>> = {
  NodeGone: 'its pods and then this attachment are removed by Kubernetes; berth attachments says what keeps them',
  CsiNodeGone: 'start the kubelet and the node plugin there, or move its pods',
  DriverGone: 'no pod with such a volume starts or ends there until it is; see the pod of berth-node on that node',
  NodeOutOfService: 'Kubernetes removes its pods and asks for the detach, which fences the node',
  NodeNotReady: `once it is off for certain, kubectl taint node NODE ${OUT_OF_SERVICE}; it moves its volumes`,
};

function volumeUnknown(facts: AttachmentFacts, name: string): AttachmentFinding {
  const isGone = facts.pv === 'absent';
  const why = isGone ? 'is gone' : 'cannot be read';
  const says = `PersistentVolume ${facts.attachment?.pv ?? ''}, which alone names its image, ${why}`;
  return found(facts, isGone ? 'PersistentVolumeGone' : 'CephSilent', `${name}: ${says}`);
}

/** Wanted, not attached and not named by the record: why does it not come? */
function notComing(facts: AttachmentFacts, name: string, others: readonly string[]): AttachmentFinding {
  const { attachment, nodeName } = facts;
  const state = stateOf(facts);
  if (others.length > 0 && !(isAccessMode(state?.mode) && isMultiNode(state.mode))) {
    const since = (state?.holders[0] ?? state?.elsewhere[0])?.since ?? '';
    const open = openAt(state);
    return found(
      facts,
      'HeldElsewhere',
      `${name} waits for ${others.join(', ')}, which holds the volume since ${since} (${open})`,
    );
  }
  const cause = nodeCause(facts.node, nodeName);
  if (cause !== undefined && cause.reason !== 'NodeNotReady')
    return found(facts, cause.reason, `${name} waits: ${cause.says}`);
  if (attachment?.error !== undefined) return found(facts, 'AttachFails', `${name} is refused: ${attachment.error}`);
  return found(facts, 'AttacherSilent', `${name} is answered by nobody; is csi-attacher running, and does it lead?`);
}

/** An attachment that is to go. */
function leaving(facts: AttachmentFacts, since: string, { driver }: Measure): AttachmentFinding {
  const name = `VolumeAttachment ${facts.attachment?.name ?? ''} is to go since ${since}`;
  if (facts.volume === undefined) return volumeUnknown(facts, name);
  const state = stateOf(facts);
  if (state === undefined && facts.image !== 'absent') return found(facts, 'CephSilent', silence(facts, name));
  if (state !== undefined && isNamedIn(state, facts.nodeId)) return leavingNamed(facts, state, name);
  return leavingReleased(facts, `${name}; Ceph has it attached to ${facts.nodeName} no more`, driver);
}

/** Ceph still has it: whether it may go is for the detach to prove. */
function leavingNamed(facts: AttachmentFacts, state: HoldersOfVolume, name: string): AttachmentFinding {
  const { node, nodeName, volume = '' } = facts;
  const cause = nodeCause(node, nodeName);
  const because = cause === undefined ? `node ${nodeName} is there and ready` : cause.says;
  // Its kubelet lives and says so itself: whatever Ceph's list of watchers shows, nobody else may have it yet.
  if (cause === undefined && node.inUse.includes(volume)) {
    const says = `${name}, and the kubelet of ${nodeName} has it mounted (${openAt(state)}); ${endPods(facts)}`;
    return found(facts, 'StillMounted', says);
  }
  if ((state.watchers ?? []).length > 0) {
    return found(facts, 'ImageStillOpen', `${name}, and its image is ${openAt(state)}; ${because}`, 'detach');
  }
  const says = `${name}; ${because}, and nobody has its image open`;
  return found(facts, cause?.reason ?? 'AttacherSilent', says, 'detach');
}

function endPods({ pods, volume = '' }: AttachmentFacts): string {
  if (pods === undefined) return 'end its pods there';
  if ('error' in pods) return `end its pods there; which they are is not known: ${pods.error}`;
  if (pods.length > 0) return `end its pods there: ${pods.join(', ')}`;
  return `no pod of its claim is there, so the kubelet has forgotten it: berth unstage ${volume} in that node's pod`;
}

/** Only the API is left: what keeps the object is a finalizer. */
function leavingReleased(facts: AttachmentFacts, says: string, driver: string): AttachmentFinding {
  const { attachment, node, nodeName } = facts;
  const foreign = (attachment?.finalizers ?? []).filter((one) => one !== attacherFinalizer(driver));
  if (foreign.length > 0) {
    return found(facts, 'ForeignFinalizer', `${says}, what keeps it is the finalizer ${foreign.join(', ')}`);
  }
  const command = `berth attachments --release ${attachment?.name ?? ''}`;
  const how = `${command} shows the proof and lifts the attacher's finalizer`;
  const cause = nodeCause(node, nodeName);
  if (cause !== undefined) return found(facts, cause.reason, `${says}; ${cause.says}; ${how}`);
  const error = attachment?.error;
  const told = error === undefined ? 'csi-attacher does not confirm it' : `csi-attacher was told: ${error}`;
  return found(facts, 'AttacherSilent', `${says}, and ${told}; ${how}`);
}

/** The image says that a node holds it, and the API has no such attachment. */
function namedInCephOnly(facts: AttachmentFacts, measure: Measure): AttachmentFinding | undefined {
  const { nodeName, nodeId, volume = '', node, pv } = facts;
  const state = stateOf(facts);
  const holder = holderIn(state, nodeId);
  if (state === undefined || holder === undefined || !isOlder(holder.since, measure)) return undefined;
  // FlexVolume's node takes a record without any attachment. Of a PersistentVolume of ours that is no way to get it.
  if (holder.by === 'node' && pv !== 'present') return undefined;
  const how = holder.by === 'node' ? ', which took it by itself' : '';
  const since = `since ${holder.since}, ${holder.state ?? 'in a state that was not recorded'}`;
  const named = `the image of ${volume} names ${nodeName}${how} ${since} (${openAt(state)})`;
  const todo = `berth attachments --holder ${nodeId} --volume ${volume} shows whether it can be released`;
  const says = `${named}, and the API has no VolumeAttachment for it; ${todo}`;
  // Without a PersistentVolume of ours it may belong to another cluster, to FlexVolume, or to somebody's hands.
  const isOurs = pv === 'present' && node.view !== 'unknown' && !node.inUse.includes(volume);
  const isFree = state.watchers?.length === 0;
  return found(facts, 'HeldInCephOnly', says, isOurs && isFree ? 'detach' : 'none');
}

interface Cause {
  readonly reason: Extract<Reason, 'NodeGone' | 'CsiNodeGone' | 'DriverGone' | 'NodeOutOfService' | 'NodeNotReady'>;
  readonly says: string;
}

/** What is wrong with the node; undefined where nothing is, or where nobody could say. */
function nodeCause({ view, csiNode }: ApiNode, name: string): Cause | undefined {
  if (view === 'absent') return { reason: 'NodeGone', says: `the API has no node ${name}` };
  if (view !== 'unknown' && view.outOfService) {
    return { reason: 'NodeOutOfService', says: `node ${name} is declared out of service` };
  }
  if (csiNode === 'absent')
    return { reason: 'CsiNodeGone', says: `node ${name} has no CSINode: did its kubelet ever register a driver?` };
  if (view !== 'unknown' && view.ready !== 'true') {
    return {
      reason: 'NodeNotReady',
      says: `node ${name} is not ready since ${view.notReadySince ?? 'an unknown time'}`,
    };
  }
  if (csiNode === 'driverMissing') {
    return { reason: 'DriverGone', says: `the driver is not registered on node ${name}: is its node plugin running?` };
  }
  return undefined;
}

const isOlder = (time: string | undefined, { now, ageMs }: Measure): boolean =>
  time !== undefined && Date.parse(now) - Date.parse(time) >= ageMs;

const isNamedIn = (state: HoldersOfVolume, node: string): boolean => holderIn(state, node) !== undefined;

const holderIn = (state: HoldersOfVolume | undefined, node: string): HoldersOfVolume['holders'][number] | undefined =>
  state?.holders.find((one) => one.node === node);

const stateOf = ({ image }: AttachmentFacts): HoldersOfVolume | undefined =>
  typeof image === 'object' && 'holders' in image ? image : undefined;

const openAt = (state: HoldersOfVolume | undefined): string => {
  if (state?.watchers === undefined) return 'who has it open was not asked';
  return state.watchers.length === 0 ? 'open nowhere' : `open at ${state.watchers.join(', ')}`;
};

const silence = ({ image }: AttachmentFacts, name: string): string =>
  `${name}; what Ceph has is not known: ${typeof image === 'object' && 'error' in image ? image.error : 'no answer'}`;

const found = (
  { attachment, volume, nodeName, nodeId }: AttachmentFacts,
  reason: Reason,
  says: string,
  act: AttachmentFinding['act'] = 'none',
): AttachmentFinding => ({ reason, says, act, attachment, volume, nodeName, nodeId });
