/**
 * The only place that reads what the rbd program prints when it cannot open, map or unmap (krbd.cc, Kernel.cc; 14 and
 * newer).
 */
import { NEW_KEY_NEEDS, newKeyType } from '../../model/cephx.js';
import { berthError, type BerthError } from '../../model/errors.js';
import { imageSpec } from '../../model/volume-id.js';
import type { MapRequest } from './mapper.js';
import type { MapperName } from '../../model/mapper-name.js';

/** What a program said that did not do what it should. */
export interface RbdRefusal {
  readonly exitCode: number;
  readonly stderr: string;
}

/** rbd exits with the error number: only those whose meaning is the same wherever they come from. */
const EPERM = 1;
const ENXIO = 6;
const EACCES = 13;
const EBUSY = 16;
const EINVAL = 22;
const EROFS = 30;
const ESHUTDOWN = 108;
const ETIMEDOUT = 110;

type Explain = (request: MapRequest, mapper: MapperName) => BerthError;

const MESSAGES: readonly (readonly [RegExp, Explain])[] = [
  [
    /^rbd: error opening pool '.*': \(2\)/m,
    ({ image: { pool, access } }) => berthError('BERTH_POOL_NOT_FOUND', { pool, cluster: access.cluster }),
  ],
  [
    /^rbd: namespace '.*' does not exist/m,
    ({ image: { pool, namespace } }) => berthError('BERTH_NAMESPACE_NOT_FOUND', { pool, namespace }),
  ],
  [
    /^rbd: error opening image .*: \(2\)/m,
    ({ image }) => berthError('BERTH_IMAGE_NOT_FOUND', { image: imageSpec(image) }),
  ],
  [
    /^rbd: (unknown map option|couldn't parse map options|invalid map option)/m,
    ({ options }) =>
      berthError('BERTH_PARAMETER_INVALID', {
        name: 'mapOptions',
        value: options,
        why: 'the rbd program does not know it',
      }),
  ],
  [
    /RBD image feature set mismatch/,
    ({ image, features }, mapper) =>
      berthError('BERTH_FEATURES_UNSUPPORTED', { image: imageSpec(image), mapper, features: features.join(',') }),
  ],
  [
    /failed to load rbd kernel module/,
    (_request, mapper) =>
      berthError('BERTH_MAPPER_UNAVAILABLE', { mapper, why: 'rbd could not load the kernel module' }),
  ],
  [
    /possible ms_mode mismatch/,
    ({ image }, mapper) =>
      berthError('BERTH_MAP_FAILED', {
        image: imageSpec(image),
        mapper,
        why: 'no monitor address fits the messenger version (mapOptions ms_mode, monitors in clusters.yaml)',
      }),
  ],
];

const BY_EXIT_CODE: ReadonlyMap<number, Explain> = new Map<number, Explain>([
  [
    EPERM,
    ({ image }) => berthError('BERTH_CEPH_DENIED', { user: image.access.user, what: `open image ${imageSpec(image)}` }),
  ],
  [
    ENXIO,
    ({ image, features }, mapper) =>
      berthError('BERTH_FEATURES_UNSUPPORTED', { image: imageSpec(image), mapper, features: features.join(',') }),
  ],
  [
    EACCES,
    ({ image: { access } }) => berthError('BERTH_CLUSTER_AUTH_FAILED', { cluster: access.cluster, user: access.user }),
  ],
  [
    EROFS,
    ({ image }, mapper) =>
      berthError('BERTH_MAP_FAILED', {
        image: imageSpec(image),
        mapper,
        why: 'another client keeps the exclusive lock (map option exclusive), or /sys is mounted read-only',
      }),
  ],
  [ESHUTDOWN, ({ image: { access } }) => berthError('BERTH_CLIENT_EVICTED', { cluster: access.cluster })],
  [
    ETIMEDOUT,
    ({ image: { access } }) =>
      berthError('BERTH_CLUSTER_UNREACHABLE', {
        cluster: access.cluster,
        why: 'no answer in time from monitors or OSDs',
      }),
  ],
]);

/** The catalogue's error for an `rbd` that could not open or map the image of `request`. */
export function explainRbd(refusal: RbdRefusal, request: MapRequest, mapper: MapperName): BerthError {
  const found = MESSAGES.find(([pattern]) => pattern.test(refusal.stderr))?.[1] ?? BY_EXIT_CODE.get(refusal.exitCode);
  if (found !== undefined) return found(request, mapper);
  const { cluster, user, key } = request.image.access;
  const type = newKeyType(key.reveal());
  // The kernel says no more than "invalid argument", and to its log "secret too big".
  if (type !== undefined && refusal.exitCode === EINVAL) {
    const why = `its key is of ${type}, which ${mapper} of this machine does not know (${NEW_KEY_NEEDS})`;
    return berthError('BERTH_CREDENTIALS_INVALID', { cluster, user, why });
  }
  return berthError('BERTH_MAP_FAILED', { image: imageSpec(request.image), mapper, why: lastWords(refusal) });
}

/**
 * The kernel's client, or we ourselves, are on the cluster's blocklist (ESHUTDOWN from libceph, by rbd or by a write to
 * sysfs).
 */
export const saysEvicted = ({ exitCode, stderr }: RbdRefusal): boolean =>
  exitCode === ESHUTDOWN || stderr.includes('Cannot send after transport endpoint shutdown');

/** unmap: something has the device open. */
export const rbdSaysBusy = ({ exitCode }: RbdRefusal): boolean => exitCode === EBUSY;

/** unmap: it is no mapped device (any more). */
export const saysNotMapped = ({ exitCode, stderr }: RbdRefusal): boolean =>
  exitCode === EINVAL && /is not a block device|is not mapped|not a mapped image/.test(stderr);

/** The last line that is not advice or a dated log line, for an error text. */
export function lastWords({ exitCode, stderr }: RbdRefusal): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('In some cases useful info') && !/^\d{4}-\d\d-\d\dT/.test(line));
  return `${lines.at(-1) ?? 'no message'} (exit code ${exitCode})`;
}
