/**
 * Attach and detach as FlexVolume asks for them: by the volume's name in Kubernetes, which a detach is told instead of
 * its options.
 */
import { readHolderRecord } from '../../attachment/holder-record.js';
import { isOfInstallation, type Installation } from '../../attachment/node-identity.js';
import type { Capability } from '../../model/capability.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { parseVolumeId } from '../../model/volume-id.js';
import type { Clusters } from '../../rbd/clusters.js';
import type { RbdPort } from '../../rbd/port.js';
import { findVolume, type ImageLookup } from '../image/find-volume.js';

/**
 * An omap in each cluster's registry place: name in Kubernetes -> handle, of an installation `installation/name`.
 * `rados listomapvals berth.flexvolume` shows it.
 */
export const NAMES_OBJECT = 'berth.flexvolume';

/** Where names are kept, and what is done to the volume of a name. */
export interface NamedAttachments extends ImageLookup {
  readonly clusters: ImageLookup['clusters'] & Pick<Clusters, 'registry'>;
  readonly rbd: Pick<RbdPort, 'head' | 'getRecords' | 'setRecords'>;
  readonly installation: Pick<Installation, 'known'>;
  /** What it answers is for a node that can be told of it. */
  readonly attach: (asked: Omit<AttachByName, 'name'>, deadline: Deadline) => Promise<unknown>;
  readonly detach: (asked: { readonly volume: string; readonly node: string }, deadline: Deadline) => Promise<void>;
}

export interface AttachByName {
  readonly volume: string;
  /** The PersistentVolume's name, or the volume's in its pod. */
  readonly name: string;
  readonly node: string;
  readonly capability: Capability;
}

/**
 * BERTH_FIELD_INVALID where another volume of that name is attached, for a detach could not tell them apart;
 * errors of the attach.
 */
export async function attachByName(named: NamedAttachments, request: AttachByName, deadline: Deadline): Promise<void> {
  const { volume, name, node, capability } = request;
  if (name === '') throw berthError('BERTH_FIELD_MISSING', { field: 'options.kubernetes.io/pvOrVolumeName' });
  const id = parseVolumeId(volume);
  if (id === undefined) throw berthError('BERTH_VOLUME_NOT_FOUND', { volume });
  const registry = await named.clusters.registry(id.cluster, 'controller', deadline);
  for (const other of await volumesNamed(named, id.cluster, name, deadline)) {
    if (other === volume || (await holdersOf(named, other, deadline)).length === 0) continue;
    const why = `${name} is ${other}, which is attached; volumes of one name in several pods need PersistentVolumes`;
    throw berthError('BERTH_FIELD_INVALID', { field: 'options.kubernetes.io/pvOrVolumeName', why });
  }
  // Before the attach: what cannot be found again could not be detached.
  const key = keyOf(await named.installation.known(deadline), name);
  await named.rbd.setRecords(registry, NAMES_OBJECT, new Map([[key, volume]]), deadline);
  await named.attach({ volume, node, capability }, deadline);
}

/** How long one cluster may take to say whether it knows a name, ms: another one may know it. */
const ASK_MS = 15_000;

/**
 * A name that nobody attached is a success. Errors of the detach: BERTH_DETACH_UNPROVEN while its image is
 * still open; of a cluster that cannot be asked only where no other one knows the name.
 */
export async function detachByName(
  named: NamedAttachments,
  { name, node }: { readonly name: string; readonly node: string },
  deadline: Deadline,
): Promise<void> {
  // Without a controller's user nothing was attached there.
  const clusters = (await named.clusters.all()).filter(({ users }) => users.controller !== undefined);
  const asked = await Promise.allSettled(
    clusters.map(({ id }) => volumesNamed(named, id, name, deadline.within(ASK_MS))),
  );
  const volumes = asked.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  const silent = asked.find((one) => one.status === 'rejected');
  if (volumes.length === 0 && silent !== undefined) throw silent.reason;
  for (const volume of volumes) await named.detach({ volume, node }, deadline);
}

/** Another installation's volume may have the same name. */
const keyOf = (installation: string, name: string): string =>
  installation === '' ? name : `${encodeURIComponent(installation)}/${name}`;

/**
 * An earlier Berth wrote down the bare name, which may have been another installation's: its volume has no holder of
 * this one then, and so nothing is done to it.
 */
async function volumesNamed(
  named: NamedAttachments,
  cluster: string,
  name: string,
  deadline: Deadline,
): Promise<readonly string[]> {
  const registry = await named.clusters.registry(cluster, 'controller', deadline);
  const keys = [keyOf(await named.installation.known(deadline), name), name];
  return [...new Set((await named.rbd.getRecords(registry, NAMES_OBJECT, keys, deadline)).values())];
}

export const isAttachedTo = async (
  named: NamedAttachments,
  { volume, node }: { readonly volume: string; readonly node: string },
  deadline: Deadline,
): Promise<boolean> => (await holdersOf(named, volume, deadline)).includes(node);

async function holdersOf(named: NamedAttachments, volume: string, deadline: Deadline): Promise<readonly string[]> {
  const found = await findVolume(named, volume, 'controller', undefined, deadline);
  const record = found && readHolderRecord(found.head, volume);
  const own = await named.installation.known(deadline);
  return record?.holders.filter((one) => isOfInstallation(one, own)).map(({ node }) => node) ?? [];
}
