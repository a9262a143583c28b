/** The part of a volume that only Kubernetes has: its claim, its PersistentVolume, its pods, and what they are told. */
import type { ApiClaim, ApiEvent, ApiPod, StorageObjects, VolumeObject } from '../../kube/storage-objects.js';
import type { Deadline } from '../../model/deadline.js';
import { isOfMachines, type RuntimeClass } from '../../sandbox/choose-sandbox.js';
import { smallnessOf } from '../guest/how-small.js';
import type { Link } from './links.js';
import type { SeenPod, Unbound } from './volume-facts.js';

/** What is asked of the API. */
export type ObjectsAsked = Pick<
  StorageObjects,
  'claim' | 'volume' | 'storageClass' | 'pod' | 'podsOfClaim' | 'runtimeClass' | 'eventsOf'
>;

/** Makes a look that may fail: then it is undefined, and the link is told as one that was not seen. */
export type Look = <T>(link: Link, act: () => Promise<T>) => Promise<T | undefined>;

/** Pods whose Events are read: a claim of many waiting pods waits for one reason. */
const PODS = 5;

/** Why a claim has no volume. */
export async function gatherUnbound(
  objects: ObjectsAsked,
  { name, uid, storageClass = '' }: ApiClaim,
  look: Look,
  deadline: Deadline,
): Promise<Unbound> {
  const found =
    storageClass === ''
      ? undefined
      : await look('claim', async () => (await objects.storageClass(storageClass, deadline)) ?? 'absent');
  return { storageClass: found, events: await eventsBeside(objects, { name, uid }, 'claim', look, deadline) };
}

/** Of a PersistentVolume that was released, failed or is to go; Events of what has no namespace stand in `default`. */
export async function gatherVolumeEvents(
  objects: ObjectsAsked,
  { phase, deletingSince, name, uid }: VolumeObject,
  look: Look,
  deadline: Deadline,
): Promise<readonly ApiEvent[]> {
  if (phase !== 'Failed' && phase !== 'Released' && deletingSince === undefined) return [];
  return eventsBeside(objects, { name: `default/${name}`, uid }, 'persistent volume', look, deadline);
}

export interface PodsAsked {
  readonly objects: ObjectsAsked;
  /** Handlers of RuntimeClasses that run Kata. */
  readonly kataHandlers: readonly string[];
}

/** Undefined where the pods could not be listed. */
export async function gatherPods(
  { objects, kataHandlers }: PodsAsked,
  claim: string,
  look: Look,
  deadline: Deadline,
): Promise<readonly SeenPod[] | undefined> {
  const pods = await look('pod', () => objects.podsOfClaim(claim, undefined, deadline));
  if (pods === undefined) return undefined;
  const waiting = pods.filter(({ phase }) => phase === 'Pending').slice(0, PODS);
  const classOf = classesOf(objects, look, deadline);
  const seen = async (pod: ApiPod): Promise<SeenPod> => {
    const waits = waiting.includes(pod);
    const { runtimeClass } = pod;
    // Of one that runs it is worth a request only where its machine may be too small.
    const isAsked = runtimeClass !== undefined && (waits || smallnessOf(pod) !== undefined);
    const found = isAsked ? await classOf(runtimeClass) : undefined;
    return {
      ...pod,
      events: waits ? await eventsBeside(objects, pod, 'pod', look, deadline) : [],
      hasRuntimeClass: !waits || found !== 'absent',
      isMachine: typeof found === 'object' && isOfMachines(found, kataHandlers),
    };
  };
  return Promise.all(pods.map(seen));
}

/** Each is asked for once; undefined where it cannot be read. */
function classesOf(
  objects: ObjectsAsked,
  look: Look,
  deadline: Deadline,
): (name: string) => Promise<RuntimeClass | 'absent' | undefined> {
  const known = new Map<string, Promise<RuntimeClass | 'absent' | undefined>>();
  return (name) => {
    const asked =
      known.get(name) ?? look('sandbox', async () => (await objects.runtimeClass(name, deadline)) ?? 'absent');
    known.set(name, asked);
    return asked;
  };
}

/** Without the right to read Events the rest is told all the same. */
async function eventsBeside(
  objects: ObjectsAsked,
  { name, uid }: { readonly name: string; readonly uid: string },
  link: Link,
  look: Look,
  deadline: Deadline,
): Promise<readonly ApiEvent[]> {
  const namespace = name.slice(0, name.indexOf('/'));
  return (await look(link, () => objects.eventsOf(uid, namespace, deadline))) ?? [];
}
