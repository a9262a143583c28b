/** Which volumes a person means: by a claim, a PersistentVolume, an image, a device, a pod, a node or a handle. */
import type { ApiPod } from '../../kube/storage-objects.js';
import type { ApiNode } from '../../kube/volume-attachments.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { parseVolumeId } from '../../model/volume-id.js';
import { findHandle, type HandleLookup } from '../../volume/image/find-handle.js';
import type { VolumeNamed } from './find-bound.js';
import type { TraceParts } from './trace-volume.js';

export interface SubjectParts extends Pick<TraceParts, 'api'> {
  readonly clusters: HandleLookup;
  /** The handle of this node's device; undefined where the journal has none. */
  readonly volumeOfDevice: (device: string) => Promise<string | undefined>;
  /** The handle of the image that has this id, wherever it is listed; undefined where none of ours has it. */
  readonly volumeOfImageId: (imageId: string, deadline: Deadline) => Promise<string | undefined>;
}

export interface Subject {
  readonly volumes: readonly VolumeNamed[];
  /** Set where it is a pod or a node that was asked for. */
  readonly pod?: ApiPod;
  readonly node?: { readonly name: string; readonly seen: ApiNode };
  /** Set where objects of RADOS were asked for: names by the handle of their volume, and those of no volume of ours. */
  readonly objects?: { readonly ours: ReadonlyMap<string, readonly string[]>; readonly others: readonly string[] };
}

const KINDS = ['pvc', 'pv', 'volume', 'image', 'device', 'node', 'pod', 'object'] as const;
type Kind = (typeof KINDS)[number];

/**
 * @param text `KIND:NAME`, or a name alone: then it is taken for what it looks like, and where several look so for the
 *   first that there is: a claim before a pod before an image, a PersistentVolume before a node
 *
 * BERTH_KUBE_OFF for what only Kubernetes knows, BERTH_KUBE_NOT_FOUND, BERTH_VOLUME_NOT_FOUND, BERTH_USAGE, and the
 * errors of {@link findHandle}.
 */
export async function findSubject(parts: SubjectParts, text: string, deadline: Deadline): Promise<Subject> {
  const [, word, name = ''] = /^([a-z]+):(.+)$/.exec(text) ?? [];
  if (word === undefined) return guess(parts, text, deadline);
  const kind = KINDS.find((one) => one === word);
  const why = `${word} is none of ${KINDS.join(', ')}`;
  if (kind === undefined) throw berthError('BERTH_USAGE', { where: text, why, help: 'berth trace --help' });
  return find(parts, kind, name, deadline);
}

function guess(parts: SubjectParts, name: string, deadline: Deadline): Promise<Subject> {
  if (name.startsWith('/')) return find(parts, 'device', name, deadline);
  if (OBJECT.test(name)) return find(parts, 'object', name, deadline);
  const slashes = name.split('/').length - 1;
  if (slashes >= 2) return find(parts, 'volume', name, deadline);
  // Without Kubernetes a name of two parts can only be Ceph's.
  if (slashes === 1)
    return parts.api === undefined
      ? find(parts, 'image', name, deadline)
      : first(parts, ['pvc', 'pod', 'image'], name, deadline);
  return first(parts, ['pv', 'node'], name, deadline);
}

/** The first kind that there is; the error of the first where there is none. */
async function first(parts: SubjectParts, kinds: readonly Kind[], name: string, deadline: Deadline): Promise<Subject> {
  const failures: Error[] = [];
  for (const kind of kinds) {
    try {
      const found = await find(parts, kind, name, deadline);
      if (await exists(parts, found, deadline)) return found;
    } catch (error) {
      if (!(error instanceof Error) || (failures.length === 0 && !isAbsence(error))) throw error;
      failures.push(error);
    }
  }
  throw failures[0] ?? berthError('BERTH_KUBE_NOT_FOUND', { resource: 'object', name });
}

const isAbsence = (error: unknown): boolean =>
  isBerthError(error, 'BERTH_KUBE_NOT_FOUND', 'BERTH_POOL_NOT_OURS', 'BERTH_FIELD_INVALID', 'BERTH_KUBE_DENIED');

/** A claim or PersistentVolume is looked for here already, so that a pod or a node may have its name. */
async function exists({ api }: SubjectParts, { volumes, pod, node }: Subject, deadline: Deadline): Promise<boolean> {
  const [named] = volumes;
  if (named === undefined || pod !== undefined || node !== undefined || api === undefined) return true;
  if ('claim' in named && (await api.objects.claim(named.claim, deadline)) === undefined)
    throw berthError('BERTH_KUBE_NOT_FOUND', { resource: 'PersistentVolumeClaim', name: named.claim });
  if (!('pv' in named) || (await api.objects.volume(named.pv, deadline)) !== undefined) return true;
  // One that is gone may still be named by an attachment, and that is what is looked for then.
  if ((await api.attachments.list(deadline)).some(({ pv }) => pv === named.pv)) return true;
  throw berthError('BERTH_KUBE_NOT_FOUND', { resource: 'PersistentVolume', name: named.pv });
}

async function find(parts: SubjectParts, kind: Kind, name: string, deadline: Deadline): Promise<Subject> {
  if (kind === 'pvc') return { volumes: [{ claim: name }] };
  if (kind === 'pv') return { volumes: [{ pv: name }] };
  if (kind === 'pod') return findPod(parts, name, deadline);
  if (kind === 'node') return findNode(parts, name, deadline);
  if (kind === 'image') return { volumes: [{ handle: await findHandle(parts.clusters, imageAsked(name)) }] };
  const handle = await handleOf(parts, kind, name, deadline);
  if (parseVolumeId(handle) === undefined) throw berthError('BERTH_VOLUME_NOT_FOUND', { volume: handle });
  return { volumes: [{ handle }] };
}

/** As {@link OBJECT}, within any text: what a scrub logged, or what `rados list-inconsistent-obj` says in JSON. */
const OBJECTS = /\b(?:rbd_data|rbd_header|rbd_object_map)\.(?:\d+\.)?([0-9a-f]+)(?:\.[0-9a-f]{16})?\b/g;

/** The volumes of all objects that a text names. BERTH_USAGE where it names none; the errors of a place. */
export async function findObjects(
  { volumeOfImageId }: Pick<SubjectParts, 'volumeOfImageId'>,
  text: string,
  deadline: Deadline,
): Promise<Subject> {
  const byImage = new Map<string, Set<string>>();
  for (const [name, imageId = ''] of text.matchAll(OBJECTS))
    byImage.set(imageId, (byImage.get(imageId) ?? new Set()).add(name));
  const why = 'it names no object of an image (rbd_data.…), as rados list-inconsistent-obj and scrubs name them';
  if (byImage.size === 0) throw berthError('BERTH_USAGE', { where: 'the input', why, help: 'berth trace --help' });
  const [ours, others] = [new Map<string, readonly string[]>(), new Array<string>()];
  for (const [imageId, names] of byImage) {
    const handle = await volumeOfImageId(imageId, deadline);
    if (handle === undefined) others.push(...names);
    else ours.set(handle, [...names]);
  }
  return { volumes: [...ours.keys()].map((handle) => ({ handle })), objects: { ours, others } };
}

/** `rbd_data.<image id>.<number>`, with the pool's number in between where the data has a pool of its own. */
const OBJECT = /^(?:rbd_data|rbd_header|rbd_object_map)\.(?:\d+\.)?([0-9a-f]+)(?:\.[0-9a-f]+)?$/;

async function handleOf(parts: SubjectParts, kind: Kind, name: string, deadline: Deadline): Promise<string> {
  if (kind === 'device') {
    const path = `${name}, as far as this node's journal knows`;
    const handle = await parts.volumeOfDevice(name);
    if (handle === undefined) throw berthError('BERTH_VOLUME_NOT_AT_PATH', { volume: 'none of ours', path });
    return handle;
  }
  if (kind !== 'object') return name;
  const [, imageId] = OBJECT.exec(name) ?? [];
  const handle = imageId === undefined ? undefined : await parts.volumeOfImageId(imageId, deadline);
  if (handle === undefined) throw berthError('BERTH_VOLUME_NOT_FOUND', { volume: `of the object ${name}` });
  return handle;
}

function imageAsked(name: string): Parameters<typeof findHandle>[1] {
  const parts = name.split('/');
  const [pool = '', namespace = '', image = ''] = parts.length === 3 ? parts : [parts[0], '', parts[1]];
  return { cluster: undefined, monitors: [], pool, namespace, image };
}

async function findPod({ api }: SubjectParts, name: string, deadline: Deadline): Promise<Subject> {
  if (api === undefined) throw berthError('BERTH_KUBE_OFF', { what: `finding pod ${name}` });
  const pod = await api.objects.pod(name, deadline);
  if (pod === undefined) throw berthError('BERTH_KUBE_NOT_FOUND', { resource: 'pod', name });
  const namespace = name.slice(0, name.indexOf('/'));
  return { pod, volumes: pod.claims.map((claim) => ({ claim: `${namespace}/${claim}` })) };
}

/** A node that the API does not have is one where an attachment still names it. */
async function findNode({ api }: SubjectParts, name: string, deadline: Deadline): Promise<Subject> {
  if (api === undefined) throw berthError('BERTH_KUBE_OFF', { what: `finding node ${name}` });
  const [seen, all] = await Promise.all([api.attachments.nodeOf(name, deadline), api.attachments.list(deadline)]);
  const here = all.filter(({ node }) => node === name);
  if (seen.view === 'absent' && here.length === 0) throw berthError('BERTH_KUBE_NOT_FOUND', { resource: 'node', name });
  const volumes = here.flatMap(({ pv, inlineHandle }): VolumeNamed[] => {
    if (inlineHandle !== undefined) return [{ handle: inlineHandle }];
    return pv === undefined ? [] : [{ pv }];
  });
  return { node: { name, seen }, volumes };
}
