/**
 * Pods of virtual machines that use volumes of ours and have too little memory to live: asked of the API once, when a
 * person runs `berth doctor` on a controller.
 */
import type { ApiPod, StorageObjects } from '../../kube/storage-objects.js';
import type { Deadline } from '../../model/deadline.js';
import type { Finding } from '../../model/finding.js';
import { isOfMachines } from '../../sandbox/choose-sandbox.js';
import { firstOf, messageOf } from '../message-of.js';
import { saysSmall, smallnessOf, type Smallness } from './how-small.js';

const NAME = 'guest-memory';
/** Small pods whose RuntimeClass and volumes are looked at: each costs a few requests. */
const MOST = 20;

export interface GuestsAsked {
  readonly objects: Pick<StorageObjects, 'podsThat' | 'runtimeClass' | 'claim' | 'volume'>;
  /** Handlers of RuntimeClasses that run Kata. */
  readonly kataHandlers: readonly string[];
  /** Our name, as CSI has it. */
  readonly driver: string;
}

/** A warning for guests that do not come up; those that are too small for a database only are named. */
export async function checkGuestMemory(asked: GuestsAsked, deadline: Deadline): Promise<Finding> {
  try {
    const pods = await asked.objects.podsThat(mayBeSmall, deadline);
    const found = await smallGuests(asked, pods.slice(0, MOST), deadline);
    const more = pods.length > MOST ? `; ${pods.length - MOST} more small pods were not looked at` : '';
    return findingOf(found, more);
  } catch (error) {
    const todo = 'berth trace NAMESPACE/POD tells it of one';
    return { name: NAME, level: 'ok', says: `not looked at: ${messageOf(error)}; ${todo}` };
  }
}

const mayBeSmall = (pod: ApiPod): boolean =>
  pod.runtimeClass !== undefined && pod.claims.length > 0 && smallnessOf(pod) !== undefined;

interface SmallGuest {
  readonly pod: ApiPod;
  readonly smallness: Smallness;
}

async function smallGuests(
  asked: GuestsAsked,
  pods: readonly ApiPod[],
  deadline: Deadline,
): Promise<readonly SmallGuest[]> {
  const classes = new Map<string, boolean>();
  const found: SmallGuest[] = [];
  for (const pod of pods) {
    const { runtimeClass = '' } = pod;
    const known = classes.get(runtimeClass) ?? (await isMachine(asked, runtimeClass, deadline));
    classes.set(runtimeClass, known);
    const smallness = smallnessOf(pod);
    if (known && smallness !== undefined && (await usesOurs(asked, pod, deadline))) found.push({ pod, smallness });
  }
  return found;
}

async function isMachine({ objects, kataHandlers }: GuestsAsked, name: string, deadline: Deadline): Promise<boolean> {
  const found = await objects.runtimeClass(name, deadline);
  return found !== undefined && isOfMachines(found, kataHandlers);
}

async function usesOurs({ objects, driver }: GuestsAsked, pod: ApiPod, deadline: Deadline): Promise<boolean> {
  const namespace = pod.name.slice(0, pod.name.indexOf('/'));
  for (const claim of pod.claims) {
    const volume = (await objects.claim(`${namespace}/${claim}`, deadline))?.volume ?? '';
    if (volume !== '' && (await objects.volume(volume, deadline))?.driver === driver) return true;
  }
  return false;
}

function findingOf(found: readonly SmallGuest[], more: string): Finding {
  const isDead = ({ smallness }: SmallGuest): boolean => smallness === 'may not start';
  // Those that do not come up first.
  const all = [...found.filter(isDead), ...found.filter((one) => !isDead(one))];
  if (all.length === 0) return { name: NAME, level: 'ok', says: `no virtual machine is known to be too small${more}` };
  const says = firstOf(all.map(({ pod, smallness }) => saysSmall(pod, smallness)));
  return { name: NAME, level: found.some(isDead) ? 'warning' : 'ok', says: `${says}${more}` };
}
