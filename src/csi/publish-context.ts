/** What ControllerPublish tells the node by way of the orchestrator: nothing that the image itself could say. */
import type { StageVolume } from '../volume/node/stage-decisions.js';

/** `true` where the attach was asked for read-only; the node then maps the image read-only. */
export const READ_ONLY = 'berth.dev/readonly';

/**
 * Which attach this is: a call that shows another one than the image's record has for the node comes too late, and must
 * not get the volume.
 */
export const GRANT = 'berth.dev/grant';

/**
 * `true` where the attach made a Ceph user for the volume. His key is not here: this text lies in the VolumeAttachment,
 * for whoever may read those.
 */
export const OWN_USER = 'berth.dev/own-user';

type Context = Readonly<Record<string, string>>;

export function publishContextOf({
  readOnly,
  grant,
  ownUser = false,
}: {
  readonly readOnly: boolean;
  readonly grant: string | undefined;
  readonly ownUser?: boolean;
}): Record<string, string> {
  return {
    ...(readOnly ? { [READ_ONLY]: 'true' } : {}),
    ...(grant === undefined ? {} : { [GRANT]: grant }),
    ...(ownUser && grant !== undefined ? { [OWN_USER]: 'true' } : {}),
  };
}

/** Undefined for an attach of an earlier Berth, and where nobody attached. */
export const grantOf = (context: Context): string | undefined => (context[GRANT] === '' ? undefined : context[GRANT]);

/** @param isAttached whether the orchestrator attaches before it stages, also where an earlier Berth named no grant */
export function rightOf(context: Context, isAttached: boolean): StageVolume['right'] {
  const grant = grantOf(context);
  return isAttached || grant !== undefined ? { by: 'attach', grant } : { by: 'node' };
}
