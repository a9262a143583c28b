/** Writes into the image's record what was done, or is about to be done, to its content. */
import type { Deadline } from '../../../model/deadline.js';
import { berthError } from '../../../model/errors.js';
import type { RbdPort } from '../../../rbd/port.js';
import type { FoundVolume } from '../../image/find-volume.js';
import { FILESYSTEM_KEY, formatProvenance, parseProvenance } from '../../image/provenance.js';
import type { Operation } from '../../operation/operations.js';

export interface ProvenanceParts {
  readonly rbd: Pick<RbdPort, 'compareAndSet'>;
}

/**
 * Replace the record `expected` by `next`. BERTH_RECORD_CONTENDED where it is another one by now: somebody else is at
 * the image.
 */
export async function writeProvenance(
  { rbd }: ProvenanceParts,
  { at, head, volume }: FoundVolume,
  { expected, next }: { readonly expected: string | undefined; readonly next: string },
  deadline: Deadline,
): Promise<void> {
  if (await rbd.compareAndSet(at, head.id, FILESYSTEM_KEY, expected, next, deadline)) return;
  throw berthError('BERTH_RECORD_CONTENDED', { volume, times: 1 });
}

/**
 * A volume handed out writable as a raw device is its user's from then on: remember that it must never be formatted.
 */
export async function recordRawUse(
  parts: ProvenanceParts,
  found: FoundVolume,
  operation: Operation<'record raw use'>,
  deadline: Deadline,
): Promise<void> {
  const { head, volume } = found;
  const { state } = parseProvenance(head, volume);
  if (state !== 'never' && state !== 'formatting') return;
  operation.step('record raw use');
  const next = formatProvenance({ state: 'raw' }, volume, head);
  await writeProvenance(parts, found, { expected: head.metadata.get(FILESYSTEM_KEY), next }, deadline);
}
