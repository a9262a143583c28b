/** What is wrong with the pods of a claim, and with the way that leads to them, decided from facts alone. */
import { broken, type Break } from '../links.js';
import type { SeenPod, VolumeFacts } from '../volume-facts.js';

/** How long after its time a pod may stay, in ms, before that is worth a word. */
const LATE_MS = 60_000;
/** A container that was killed longer ago, in ms, lives well now, or waits for something else. */
const KILLED_MS = 3_600_000;
const MIB = 1024n * 1024n;

export const podBreaks = (facts: VolumeFacts): readonly Break[] => [
  ...(facts.pods ?? []).flatMap((pod) => breaksOf(pod, facts)),
  ...unattached(facts),
];

function breaksOf(pod: SeenPod, { now }: VolumeFacts): readonly Break[] {
  const { name, phase, node, deletingSince, unscheduled, runtimeClass, hasRuntimeClass, events } = pod;
  if (deletingSince !== undefined) {
    if (Date.parse(now) - Date.parse(deletingSince) < LATE_MS) return [];
    const says = `pod ${name} on ${node ?? 'no node'} was to be gone at ${deletingSince}`;
    const todo = 'its kubelet has not said that it ended; where the node is dead, see "A node died" in docs/runbook.md';
    return [broken('PodTerminating', `${says}; ${todo}`)];
  }
  if (!hasRuntimeClass)
    return [broken('RuntimeClassGone', `RuntimeClass ${runtimeClass ?? ''} of pod ${name} does not exist; make it`)];
  if (phase !== 'Pending') return killed(pod, now);
  if (unscheduled !== undefined) return [broken('PodUnscheduled', `pod ${name} has no node: ${unscheduled}`)];
  const told = events.find(({ isWarning, reason }) => isWarning && OF_VOLUMES.test(reason));
  return told === undefined ? [] : [broken('PodWaits', `pod ${name}, ${told.reason} at ${told.at}: ${told.message}`)];
}

/** A virtual machine has the memory of its pod, and its kernel kills what wants more: a database, most often. */
function killed({ name, killed: one, memoryBytes, runtimeClass }: SeenPod, now: string): readonly Break[] {
  if (one === undefined || Date.parse(now) - Date.parse(one.at) > KILLED_MS) return [];
  const how = one.forMemory ? 'for want of memory' : 'by signal 9, as for want of memory';
  const says = `container ${one.name} of pod ${name} was killed ${how} at ${one.at} (${one.restarts} restarts)`;
  const has =
    memoryBytes === undefined
      ? 'a container has no limit of memory'
      : `the pod has ${memoryBytes / MIB} MiB, limits and overhead`;
  const where = runtimeClass === undefined ? '' : `, in a machine of RuntimeClass ${runtimeClass}`;
  const todo = 'give it more: "How small" in docs/database.md has what MariaDB needs in a virtual machine';
  return [broken('PodKilled', `${says}; ${has}${where}; ${todo}`)];
}

/** Other warnings (an image that cannot be pulled) are no volume's concern. */
const OF_VOLUMES = /Mount|Attach|Volume|Sandbox/;

/** A pod has a node, and nobody has asked to attach its volume there: most often `Multi-Attach error`. */
function unattached({ pods = [], attachments, handle }: VolumeFacts): readonly Break[] {
  if (attachments === undefined || handle === undefined) return [];
  const first = pods.find(({ node, phase, deletingSince }) => {
    const isComing = phase === 'Pending' && deletingSince === undefined && node !== undefined;
    return isComing && !attachments.some((one) => one.node === node);
  });
  if (first === undefined) return [];
  const says = `pod ${first.name} is to run on ${first.node ?? ''}, and no VolumeAttachment asks for the volume there`;
  const elsewhere = attachments.map(({ node }) => node).join(', ');
  const todo =
    elsewhere === ''
      ? 'does kube-controller-manager run, and does the CSIDriver say attachRequired?'
      : `it is attached to ${elsewhere} still (Multi-Attach): end its pods there, or see "A node died"`;
  return [broken('NotAttached', `${says}; ${todo}`)];
}
