/** The part of a volume that only Kubernetes has: its claim, its PersistentVolume, its pods, and what they are told. */
import type { ApiClaim, ApiEvent, ApiPod, StorageObjects, VolumeObject } from '../../kube/storage-objects.js';
import type { Deadline } from '../../model/deadline.js';
import type { Link } from './links.js';
import type { SeenPod, Unbound } from './volume-facts.js';

/** What is asked of the API. */
export type ObjectsAsked = Pick<
  StorageObjects,
  'claim' | 'volume' | 'storageClass' | 'pod' | 'podsOfClaim' | 'hasRuntimeClass' | 'eventsOf'
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

/** Undefined where the pods could not be listed. */
export async function gatherPods(
  objects: ObjectsAsked,
  claim: string,
  look: Look,
  deadline: Deadline,
): Promise<readonly SeenPod[] | undefined> {
  const pods = await look('pod', () => objects.podsOfClaim(claim, undefined, deadline));
  if (pods === undefined) return undefined;
  const waiting = pods.filter(({ phase }) => phase === 'Pending').slice(0, PODS);
  return Promise.all(pods.map((pod) => seenPod(objects, pod, { asks: waiting.includes(pod), look }, deadline)));
}

async function seenPod(
  objects: ObjectsAsked,
  pod: ApiPod,
  { asks, look }: { readonly asks: boolean; readonly look: Look },
  deadline: Deadline,
): Promise<SeenPod> {
  if (!asks) return { ...pod, events: [], hasRuntimeClass: true };
  const { runtimeClass } = pod;
  const has =
    runtimeClass === undefined || (await look('sandbox', () => objects.hasRuntimeClass(runtimeClass, deadline)));
  return { ...pod, events: await eventsBeside(objects, pod, 'pod', look, deadline), hasRuntimeClass: has ?? true };
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
