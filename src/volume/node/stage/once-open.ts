/**
 * What a stage asks and writes as soon as the mapper's client has the image open, while its device is still made: by
 * which clients it is open, and whether anything was ever written to it.
 */
import type { Deadline } from '../../../model/deadline.js';
import type { Mapper, Mapping } from '../../../rbd/mapping/mapper.js';
import type { ImageRef, RbdPort } from '../../../rbd/port.js';
import type { FoundVolume } from '../../image/find-volume.js';
import type { OpenImage, WatchersBefore } from '../client-instances.js';
import type { NodeOperation } from '../../operation/operations.js';
import { recordClients, type RecordClientsParts } from '../map-image.js';

export interface OnceOpenParts extends RecordClientsParts {
  readonly rbd: RecordClientsParts['rbd'] & Pick<RbdPort, 'isEmpty'>;
}

export interface OpenedImage {
  /** With the holder record as this node has it then: nothing of this is asked or written before. */
  readonly taking: Promise<FoundVolume>;
  readonly mapper: Mapper;
  readonly readOnly: boolean;
  readonly before: WatchersBefore;
  /** Its record says that it was never formatted, and it is to be. */
  readonly isNew: boolean;
}

export interface OnceOpen {
  /** For {@link MapRequest.opened}. */
  readonly opened: () => void;
  /** Addresses of the clients, once the holder record names them; asked before `isEmpty`. Errors as recordClients. */
  readonly clients: (mapping: Mapping) => Promise<readonly string[]>;
  /** As the port's; asked again where the early question has failed, or a stranger had the image open meanwhile. */
  readonly isEmpty: (at: ImageRef, deadline: Deadline) => Promise<boolean>;
  /** Nothing writes any more of what was begun early. */
  readonly settled: () => Promise<void>;
}

/** A mapper that does not call `opened` is asked the same when it has mapped. */
export function onceOpen(
  parts: OnceOpenParts,
  image: OpenedImage,
  operation: NodeOperation<'stage'>,
  deadline: Deadline,
): OnceOpen {
  const { taking, mapper, readOnly, isNew } = image;
  let hasWaited = false;
  const before = toldOfWaiting(image.before, () => (hasWaited = true));
  const record = async (mapping: Mapping | OpenImage): Promise<readonly string[]> =>
    recordClients(parts, mapping, { found: await taking, before }, deadline);
  let clients: Promise<readonly string[]> | undefined;
  let emptiness: Promise<boolean> | undefined;
  return {
    opened: () => {
      // Where the kernel tells the client, it does so by the device.
      if (mapper.clientOf !== undefined) return;
      operation.step('record clients', 'while the device is made');
      clients = record({ mapper: mapper.name, readOnly });
      clients.catch(() => undefined);
      // In the same breath: one image that was opened ahead answers both.
      emptiness = isNew ? taking.then(({ at }) => parts.rbd.isEmpty(at, deadline)) : undefined;
      emptiness?.catch(() => undefined);
    },
    clients: (mapping) => (clients ??= record(mapping)),
    isEmpty: async (at, time) => {
      const early = await emptiness?.catch(() => undefined);
      const answer = early ?? (await parts.rbd.isEmpty(at, time));
      await clients?.catch(() => undefined);
      // A stranger who went again may have written before he did.
      return answer && hasWaited ? parts.rbd.isEmpty(at, time) : answer;
    },
    settled: async () => {
      await clients?.catch(() => undefined);
    },
  };
}

function toldOfWaiting(before: WatchersBefore, waited: () => void): WatchersBefore {
  const { watchers, listAgain } = before;
  if (listAgain === undefined) return before;
  return { watchers, listAgain: (found, kernel, deadline) => listAgain(found, kernel, deadline, waited) };
}
