/** What is wrong with a claim and its PersistentVolume, decided from facts alone. */
import type { ApiClaim, ApiEvent, VolumeObject } from '../../../kube/storage-objects.js';
import { attacherFinalizer } from '../../attachment/attachment-facts.js';
import { broken, type Break } from '../links.js';
import type { Unbound, VolumeFacts } from '../volume-facts.js';

export const claimBreaks = (facts: VolumeFacts): readonly Break[] => [
  ...whyUnbound(facts),
  ...goneClaim(facts),
  ...leavingClaim(facts),
  ...wrongVolume(facts),
  ...leavingVolume(facts),
];

/** A claim without a volume always has a reason; where nobody tells one, that nobody does is the reason. */
function whyUnbound(facts: VolumeFacts): readonly Break[] {
  const { claim, unbound, pods = [], driver } = facts;
  if (claim === undefined || unbound === undefined) return [];
  const { name, storageClass = '', provisioner } = claim;
  const { storageClass: found } = unbound;
  const told = lastWarning(unbound);
  if (claim.volume !== '') return whyUnfit(claim, facts, told);
  if (storageClass === '')
    return [broken('NoClass', `${name} names no StorageClass, and no PersistentVolume fits it; name one in the claim`)];
  if (found === 'absent') {
    const todo = 'make it (a claim’s class cannot be changed), or delete the claim and make it anew';
    return [broken('ClassMissing', `StorageClass ${storageClass} of ${name} does not exist; ${todo}`)];
  }
  if (found !== undefined && found.provisioner !== driver) {
    const says = `StorageClass ${storageClass} of ${name} is of ${found.provisioner}, not of ${driver}`;
    return [broken('ClassOfAnother', `${says}; ask that driver why${told === undefined ? '' : `: ${told.message}`}`)];
  }
  if (told !== undefined) return [broken('ProvisioningFailed', `${name}, at ${told.at}: ${told.message}`)];
  if (found?.waitsForPod === true && provisioner === undefined) {
    const says = `${name} waits for a pod: StorageClass ${storageClass} says WaitForFirstConsumer`;
    const waiting = pods.map((pod) => `${pod.name}${pod.node === undefined ? ', for which no node was found' : ''}`);
    const todo = waiting.length === 0 ? 'no pod uses it yet' : `it is used by ${waiting.join('; ')}`;
    return [broken('WaitsForPod', `${says}; ${todo}`)];
  }
  const says = `nobody says why ${name} has no volume`;
  const todo = 'is csi-provisioner running, and does it lead? Its log: deploy/berth-controller -c csi-provisioner';
  return [broken('ProvisionerSilent', `${says}; ${todo}`)];
}

/** It asks for one PersistentVolume, and gets no other: no class and no provisioner matter. */
function whyUnfit(
  { name, uid, volume }: ApiClaim,
  { pv, claim }: VolumeFacts,
  told: ApiEvent | undefined,
): readonly Break[] {
  // Told as the PersistentVolume's own fault.
  if (pv !== undefined && isOfAnother(pv, claim)) return [];
  if (told !== undefined) return [broken('ProvisioningFailed', `${name}, at ${told.at}: ${told.message}`)];
  if (pv === undefined) {
    const todo = 'make it (berth adopt prints one for an image), or name another';
    return [
      broken('ProvisioningFailed', `${name} waits for PersistentVolume ${volume}, which does not exist; ${todo}`),
    ];
  }
  // The binder writes the two of them one after the other.
  if (pv.claimUid === uid) return [];
  const todo = 'compare their class, size and access modes';
  return [broken('ProvisioningFailed', `${name} waits for PersistentVolume ${volume}, which does not fit; ${todo}`)];
}

const lastWarning = ({ events }: Unbound): ApiEvent | undefined => events.find(({ isWarning }) => isWarning);

function goneClaim({ claimName = '', isClaimGone, pvName, pv, pvEvents }: VolumeFacts): readonly Break[] {
  if (!isClaimGone || whyNotDeleted(pv, pvEvents) !== undefined) return [];
  const says = `PersistentVolume ${pvName ?? ''} is bound to ${claimName}, which does not exist any more`;
  if (pv?.reclaim === 'Retain') {
    const todo = 'delete it if its image may stay alone, or make its claim anew after removing spec.claimRef.uid';
    return [broken('VolumeReleased', `${says}, and is kept because it says Retain; ${todo}`)];
  }
  // The controller manager's work: it takes a moment, and what goes wrong then is told beside the PersistentVolume.
  return [broken('ClaimGone', `${says}; it is released and deleted next`)];
}

function leavingClaim({ claim, pods }: VolumeFacts): readonly Break[] {
  if (claim?.deletingSince === undefined) return [];
  const says = `${claim.name} is to go since ${claim.deletingSince}`;
  if (pods === undefined) return [broken('ClaimTerminating', `${says}; end its pods`)];
  const users = pods.map(({ name }) => name);
  const todo =
    users.length > 0
      ? `it goes with the last of its pods: ${users.join(', ')}`
      : 'no pod uses it; kubectl get pvc -o yaml shows which finalizer keeps it';
  return [broken('ClaimTerminating', `${says}; ${todo}`)];
}

function wrongVolume({ claim, pv, pvName }: VolumeFacts): readonly Break[] {
  if (claim === undefined) return [];
  // One that was never bound waits for it.
  if (claim.volume !== '' && claim.phase !== 'Pending' && pv === undefined && pvName !== undefined) {
    const says = `${claim.name} is bound to PersistentVolume ${pvName}, which does not exist`;
    const todo = 'berth adopt prints one for its image (rbd ls); without it the claim stays Lost';
    return [broken('ClaimLost', `${says}; ${todo}`)];
  }
  if (pv === undefined || !isOfAnother(pv, claim)) return [];
  // Never to be taken from a claim that lives.
  if (pv.claim !== claim.name) {
    const says = `${claim.name} names PersistentVolume ${pv.name}, which is ${pv.claim ?? 'another claim'}’s`;
    return [broken('VolumeOfAnotherClaim', `${says}; name another volume`)];
  }
  const says = `PersistentVolume ${pv.name} was bound to another claim that was called ${claim.name}`;
  return [broken('VolumeOfAnotherClaim', `${says}; remove spec.claimRef.uid and it is bound to this one`)];
}

/** One without a claim, or reserved for this one by its name alone, is nobody else's. */
const isOfAnother = ({ claim: name, claimUid }: VolumeObject, claim: ApiClaim | undefined): boolean =>
  claim !== undefined &&
  ((name !== undefined && name !== claim.name) || (claimUid !== undefined && claimUid !== claim.uid));

/**
 * What is told of a delete that failed, '' where nothing is; undefined where none has. csi-provisioner leaves the phase
 * at Released and tells an Event; the controller manager says Failed where nobody deletes such a volume.
 */
function whyNotDeleted(pv: VolumeObject | undefined, events: readonly ApiEvent[]): string | undefined {
  const told = events.find(({ isWarning }) => isWarning)?.message;
  if (pv?.phase === 'Failed') return told ?? '';
  return pv?.phase === 'Released' && pv.reclaim !== 'Retain' ? told : undefined;
}

function leavingVolume({ pv, pvEvents, driver, attachments }: VolumeFacts): readonly Break[] {
  if (pv === undefined) return [];
  const failed = whyNotDeleted(pv, pvEvents);
  if (failed !== undefined) {
    const says = `PersistentVolume ${pv.name} was released and could not be deleted`;
    return [broken('VolumeFailed', `${says}${failed === '' ? '' : `: ${failed}`}`)];
  }
  const told = pvEvents.find(({ isWarning }) => isWarning)?.message;
  const why = told === undefined ? '' : `: ${told}`;
  if (pv.deletingSince === undefined) return [];
  const says = `PersistentVolume ${pv.name} is to go since ${pv.deletingSince}${why}`;
  const isAttached = pv.finalizers.includes(attacherFinalizer(driver)) && (attachments ?? []).length > 0;
  if (isAttached) return [broken('VolumeTerminating', `${says}; it waits for its VolumeAttachment to go`)];
  if (pv.phase === 'Bound') return [broken('VolumeTerminating', `${says}; it waits for its claim to go`)];
  const keeps = pv.finalizers.join(', ') || 'none';
  return [broken('VolumeTerminating', `${says}; what keeps it are its finalizers: ${keeps}`)];
}
