/** The detach of a controller, as the comparison of attachments and a person's release ask for it. */
import type { Deadline } from '../model/deadline.js';
import { detachVolume, type DetachParts } from '../volume/controller/detach/detach-volume.js';

/** @param unasked it was made sure that nobody asks for the volume on that node */
export type Detach = (volume: string, node: string, deadline: Deadline, unasked?: boolean) => Promise<void>;

/** What ControllerUnpublish does, with the controller's own user. */
export const detachBy =
  (parts: DetachParts): Detach =>
  (volume, node, deadline, unasked = false) =>
    detachVolume(parts, { volume, node, secrets: undefined, unasked }, deadline);
