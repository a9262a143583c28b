/** The only place that reads QEMU's error descriptions (block/rbd.c, 7.2 and newer): they carry no codes. */
import { berthError, type BerthError } from '../../model/errors.js';
import { imageSpec } from '../../model/volume-id.js';
import type { MapRequest } from '../../rbd/mapping/mapper.js';

type Explain = (request: MapRequest, text: string) => BerthError;

const authFailed: Explain = ({ image: { access } }) =>
  berthError('BERTH_CLUSTER_AUTH_FAILED', { cluster: access.cluster, user: access.user });
const unreachable: Explain = ({ image: { access } }, why) =>
  berthError('BERTH_CLUSTER_UNREACHABLE', { cluster: access.cluster, why });

const MESSAGES: readonly (readonly [RegExp, Explain])[] = [
  // EINVAL: the key is no cephx key at all; EACCES: it is another user's, or the user does not exist.
  [/^error connecting: (Permission denied|Invalid argument)/, authFailed],
  [/^Base64 data contains invalid characters|^Invalid base64/i, authFailed],
  [
    /^error connecting: Cannot send after transport endpoint shutdown/,
    ({ image: { access } }) => berthError('BERTH_CLIENT_EVICTED', { cluster: access.cluster }),
  ],
  [/^error connecting: /, unreachable],
  [/Connection timed out/, unreachable],
  [
    /^error opening pool .*: No such file or directory/,
    ({ image: { pool, access } }) => berthError('BERTH_POOL_NOT_FOUND', { pool, cluster: access.cluster }),
  ],
  [
    /^namespace '.*' does not exist/,
    ({ image: { pool, namespace } }) => berthError('BERTH_NAMESPACE_NOT_FOUND', { pool, namespace }),
  ],
  [
    /^error reading header from .*: No such file or directory/,
    ({ image }) => berthError('BERTH_IMAGE_NOT_FOUND', { image: imageSpec(image) }),
  ],
  [
    /^error (opening pool|reading header) .*: (Operation not permitted|Permission denied)/,
    ({ image }) => berthError('BERTH_CEPH_DENIED', { user: image.access.user, what: `open image ${imageSpec(image)}` }),
  ],
  [
    /^Unknown driver 'rbd'|Unknown block driver/,
    () =>
      berthError('BERTH_MAPPER_UNAVAILABLE', {
        mapper: 'loop',
        why: 'this QEMU has no rbd driver (Debian: qemu-block-extra)',
      }),
  ],
];

/** The catalogue's error for what QEMU said when an image was to be mapped. */
export function explainQemu(text: string, request: MapRequest, cause: unknown): BerthError {
  const found = MESSAGES.find(([pattern]) => pattern.test(text));
  if (found !== undefined) return found[1](request, text);
  return berthError('BERTH_MAP_FAILED', { image: imageSpec(request.image), mapper: 'loop', why: text }, cause);
}

/** Deleting what is not there. */
export const saysAbsent = (text: string): boolean =>
  /^Export '.*' is not found|^Failed to find node with node-name|^object '.*' not found|^Cannot find device/.test(text);

/** qom-list of a daemon that was never given an object. */
export const saysNoObjects = (text: string): boolean => /^Device '\/objects' not found/.test(text);

/** block_resize of a node that was opened read-only. */
export const saysReadOnly = (text: string): boolean => /is read-only/.test(text);
