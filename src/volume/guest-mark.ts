/** What the image remembers of guests: that the kernel of a virtual machine may have written its filesystem. */
import type { Deadline } from '../model/deadline.js';
import { fail } from '../model/errors.js';
import type { NodeRoom } from './node-room.js';
import { mustFindVolume, type Credentials } from './room.js';

/**
 * Readable with `rbd image-meta get <image> berth.dev/guest`, and removed there by an operator who trusts that filesystem again. Its
 * presence counts, whatever it says: a copy of the image, which carries it along, was written by the same guest.
 */
export const GUEST_KEY = 'berth.dev/guest';

export const isGuestWritten = (metadata: ReadonlyMap<string, string>): boolean => metadata.has(GUEST_KEY);

/** Before a guest can write for the first time. VOLUME_NOT_FOUND, RECORD_CONTENDED. */
export async function markGuestWritten(
  room: NodeRoom,
  volume: string,
  secrets: Credentials | undefined,
  deadline: Deadline,
  sandbox: 'kata' | 'hyperd' = 'kata',
): Promise<void> {
  const { at, head } = await mustFindVolume(room, volume, 'node', secrets, deadline);
  if (isGuestWritten(head.metadata)) return;
  const mark = JSON.stringify({ version: 1, sandbox, node: room.node, since: room.now().toISOString() });
  if (await room.rbd.compareAndSet(at, head.id, GUEST_KEY, undefined, mark, deadline)) return;
  throw fail('RECORD_CONTENDED', { volume, times: 1 });
}
