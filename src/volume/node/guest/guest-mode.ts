/**
 * How a filesystem volume stands between the kernels of the host and of guests, from what the image and the
 * PersistentVolume say.
 */
import type { JournalEntry, JournalGuest } from '../../../journal/entry.js';
import { isGuestWritten } from '../../image/guest-mark.js';
import type { SandboxParameters } from '../../image/parameters.js';
import type { VolumeShape } from '../../image/volume-record.js';

/** Of an entry that says nothing: mounted, and no guest ever came near. */
export const guestOf = ({ guest }: Pick<JournalEntry, 'guest'>): JournalGuest =>
  guest ?? { mounted: true, written: false, allowHostMount: false };

/**
 * At stage, before the pod is known: mounted only where a pod of the host is expected and may have it. The publish
 * decides and changes it. Undefined where no virtual machine bears on the volume.
 * @param given by the PersistentVolume; it goes before the image's own word
 */
export function guestAtStage(
  metadata: ReadonlyMap<string, string>,
  shape: Pick<VolumeShape, 'sandbox' | 'allowHostMount'> | undefined,
  given: SandboxParameters | undefined,
): JournalGuest | undefined {
  const wish = given?.sandbox ?? shape?.sandbox;
  const allowHostMount = given?.allowHostMount ?? shape?.allowHostMount ?? false;
  const written = isGuestWritten(metadata);
  if (wish === undefined && !written && !allowHostMount) return undefined;
  const mounted = wish !== 'kata' && wish !== 'auto' && (!written || allowHostMount);
  return { mounted, ...(wish === undefined ? {} : { wish }), written, allowHostMount };
}
