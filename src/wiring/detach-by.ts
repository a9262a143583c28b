/** The detach of a controller, as the comparison of attachments and a person's release ask for it. */
import type { Deadline } from '../model/deadline.js';
import { detachVolume, type DetachParts } from '../volume/controller/detach/detach-volume.js';

export type Detach = (volume: string, node: string, deadline: Deadline) => Promise<void>;

/** What ControllerUnpublish does, with the controller's own user. */
export const detachBy =
  (parts: DetachParts): Detach =>
  (volume, node, deadline) =>
    detachVolume(parts, { volume, node, secrets: undefined }, deadline);
