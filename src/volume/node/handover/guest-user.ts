/**
 * As whom a guest opens its image: a user of the clusters file or
 * of the pod's own secret, and never one that may do everything.
 */
import { berthError } from '../../../model/errors.js';
import type { HandOverFile } from '../../../sandbox/hyperd/hand-over-file.js';
import { legacyMonitors } from '../../../rbd/legacy-monitors.js';
import type { Clusters } from '../../../rbd/clusters.js';
import type { Credentials, FoundVolume } from '../../image/find-volume.js';

/**
 * What may stand in QEMU's `rbd:pool/image:id=...:key=...` without meaning something else; runv escapes only the
 * monitors' colons.
 */
const PLAIN_USER = /^[A-Za-z0-9._-]+$/;
const PLAIN_KEY = /^[A-Za-z0-9+/]+={0,2}$/;

/** BERTH_CREDENTIALS_MISSING, BERTH_GUEST_USER_REFUSED, BERTH_SECRETS_INVALID, BERTH_MONITOR_UNUSABLE. */
export async function guestAccess(
  clusters: Pick<Clusters, 'get' | 'access'>,
  { id, volume }: Pick<FoundVolume, 'id' | 'volume'>,
  secrets: Credentials | undefined,
): Promise<Pick<HandOverFile, 'user' | 'key' | 'monitors'>> {
  const config = await clusters.get(id.cluster);
  const { user, key, monitors } = await clusters.access(config, 'hyperd', secrets);
  // Whoever has root in the guest, or in the process beside it, reads the key.
  if (user === 'admin') throw berthError('BERTH_GUEST_USER_REFUSED', { user: 'client.admin', volume });
  if (!PLAIN_USER.test(user) || !PLAIN_KEY.test(key.reveal()))
    throw berthError('BERTH_SECRETS_INVALID', { why: 'user or key holds characters that QEMU would take for its own' });
  return { user, key, monitors: await legacyMonitors(id.cluster, monitors) };
}
