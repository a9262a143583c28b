/** What is wrong with a claim and its PersistentVolume, decided from facts alone. */
import type { ApiEvent } from '../../kube/storage-objects.js';
import { attacherFinalizer } from '../attachment/attachment-facts.js';
import { broken, type Break } from './links.js';
import type { Unbound, VolumeFacts } from './volume-facts.js';

export const claimBreaks = (facts: VolumeFacts): readonly Break[] => [
  ...whyUnbound(facts),
  ...goneClaim(facts),
  ...leavingClaim(facts),
  ...wrongVolume(facts),
  ...leavingVolume(facts),
];

/** A claim without a volume always has a reason; where nobody tells one, that nobody does is the reason. */
function whyUnbound({ claim, unbound, pods = [], driver }: VolumeFacts): readonly Break[] {
  if (claim === undefined || unbound === undefined) return [];
  const { name, storageClass = '', provisioner } = claim;
  const { storageClass: found } = unbound;
  const told = lastWarning(unbound);
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

const lastWarning = ({ events }: Unbound): ApiEvent | undefined => events.find(({ isWarning }) => isWarning);

function goneClaim({ claimName = '', isClaimGone, pvName, pv }: VolumeFacts): readonly Break[] {
  if (!isClaimGone) return [];
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
  if (claim !== undefined && claim.volume !== '' && pv === undefined && pvName !== undefined) {
    const says = `${claim.name} is bound to PersistentVolume ${pvName}, which does not exist`;
    const todo = 'berth adopt prints one for its image (rbd ls); without it the claim stays Lost';
    return [broken('ClaimLost', `${says}; ${todo}`)];
  }
  if (claim === undefined || pv?.claimUid === undefined || pv.claimUid === claim.uid) return [];
  const says = `PersistentVolume ${pv.name} was bound to another claim that was called ${claim.name}`;
  return [broken('VolumeOfAnotherClaim', `${says}; remove spec.claimRef.uid and it is bound to this one`)];
}

function leavingVolume({ pv, pvEvents, driver, attachments }: VolumeFacts): readonly Break[] {
  if (pv === undefined) return [];
  const told = pvEvents.find(({ isWarning }) => isWarning)?.message;
  const why = told === undefined ? '' : `: ${told}`;
  if (pv.phase === 'Failed') {
    return [broken('VolumeFailed', `PersistentVolume ${pv.name} was released and could not be deleted${why}`)];
  }
  if (pv.deletingSince === undefined) return [];
  const says = `PersistentVolume ${pv.name} is to go since ${pv.deletingSince}${why}`;
  const isAttached = pv.finalizers.includes(attacherFinalizer(driver)) && (attachments ?? []).length > 0;
  if (isAttached) return [broken('VolumeTerminating', `${says}; it waits for its VolumeAttachment to go`)];
  if (pv.phase === 'Bound') return [broken('VolumeTerminating', `${says}; it waits for its claim to go`)];
  const keeps = pv.finalizers.join(', ') || 'none';
  return [broken('VolumeTerminating', `${says}; what keeps it are its finalizers: ${keeps}`)];
}
