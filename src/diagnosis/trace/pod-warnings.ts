/** What may become of a pod that nothing is wrong with yet, decided from facts alone. */
import { saysSmall, smallnessOf } from '../guest/how-small.js';
import { LINK_OF_WARNING, type Break, type Warning } from './links.js';
import type { SeenPod, VolumeFacts } from './volume-facts.js';

/** @param breaks of the same volume: where a container was killed already, that says it */
export function podWarnings({ pods = [] }: VolumeFacts, breaks: readonly Break[]): readonly Warning[] {
  if (breaks.some(({ reason }) => reason === 'PodKilled')) return [];
  return pods.filter(({ deletingSince }) => deletingSince === undefined).flatMap(warningsOf);
}

/** Where its virtual machine is too small: limit and overhead have to be known, and its RuntimeClass. */
function warningsOf(pod: SeenPod): readonly Warning[] {
  const smallness = pod.isMachine ? smallnessOf(pod) : undefined;
  if (smallness === undefined) return [];
  return [{ link: LINK_OF_WARNING.MemorySmall, reason: 'MemorySmall', says: saysSmall(pod, smallness) }];
}
