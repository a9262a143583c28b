/** Unmap a device that no journal entry knows and that is this driver's by proof. */
import type { Journal } from '../../../journal/journal.js';
import type { Deadline } from '../../../model/deadline.js';
import { locationName } from '../../../rbd/mapping/location-name.js';
import type { Mapping } from '../../../rbd/mapping/mapper.js';
import type { Mappers } from '../node-mappers.js';
import { asOnlyOperation, type OperationParts, type RecoveryOutcome } from './as-only-operation.js';

export interface DropParts extends OperationParts {
  readonly journal: Pick<Journal, 'read'>;
  readonly mappers: Pick<Mappers, 'named'>;
}

/**
 * The caller has proved that the mapping is ours. The mapper refuses while anybody uses it (BERTH_UNMAP_BUSY).
 * @param volume its handle; undefined where it can have none, so that nobody could ask for it
 */
export function dropMapping(
  { operations, journal, mappers }: DropParts,
  mapping: Mapping,
  volume: string | undefined,
  deadline: Deadline,
): Promise<RecoveryOutcome> {
  const act = { key: volume ?? locationName(mapping.location), act: 'drop', callers: 'wait' } as const;
  return asOnlyOperation({ operations }, act, deadline, async (operation, deadline) => {
    operation.step('look');
    if (volume !== undefined && (await journal.read(volume)) !== undefined) return 'changed';
    const mapper = mappers.named(mapping.mapper);
    if ((await mapper.find(mapping.location, deadline))?.device !== mapping.device) return 'changed';
    operation.step('drop', mapping.device);
    await mapper.unmap(mapping, deadline);
    return 'done';
  });
}
