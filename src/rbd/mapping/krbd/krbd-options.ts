/** The options of `rbd map`: ours, which keep it from hanging, and those of the StorageClass. */
import { endpointsOf } from '../../monitor-address.js';
import type { MapRequest } from '../mapper.js';

/** The first kernel with messenger v2 (libceph, ms_mode). */
const MSGR2_KERNEL = [5, 11] as const;

export interface KrbdExtras {
  /** The cluster says that its monitors speak messenger v2 only, whatever the clusters file leaves open. */
  readonly v2Only?: boolean;
  readonly more?: readonly string[];
}

/**
 * The value of `--options`; what the StorageClass sets itself is left as it is, but nobody waits for udev. Without
 * `osd_request_timeout` a request waits for the cluster, however long (libceph's default): a kernel that gives up a
 * write aborts the filesystem's journal, and every pod loses what it had not synced although the image is well.
 */
export function krbdOptions(
  { options, ioTimeoutSeconds }: Pick<MapRequest, 'options' | 'ioTimeoutSeconds'>,
  monitors: readonly string[],
  { v2Only = false, more = [] }: KrbdExtras = {},
): string {
  const own = options
    .split(',')
    .map((option) => option.trim())
    .filter((option) => option !== '');
  const sets = (name: string): boolean => own.some((option) => option.split('=')[0] === name);
  return [
    ...own,
    ...(sets('osd_request_timeout') || ioTimeoutSeconds === 0 ? [] : [`osd_request_timeout=${ioTimeoutSeconds}`]),
    ...(sets('ms_mode') || !(v2Only || areV2Only(monitors)) ? [] : ['ms_mode=prefer-crc']),
    ...more,
    // Last, so that it wins: rbd waits for a udev event without any limit, which in a container never comes.
    'noudev',
  ].join(',');
}

/** Why this kernel cannot talk to these monitors; undefined where it can. */
export const whyNotMonitors = (monitors: readonly string[], kernelRelease: string): string | undefined =>
  areV2Only(monitors) ? whyNotV2(kernelRelease) : undefined;

/** Why this kernel cannot speak messenger v2; undefined where it can. */
export function whyNotV2(kernelRelease: string): string | undefined {
  const [major = 0, minor = 0] = kernelRelease.split('.').map((part) => Number.parseInt(part, 10));
  if (major > MSGR2_KERNEL[0] || (major === MSGR2_KERNEL[0] && minor >= MSGR2_KERNEL[1])) return undefined;
  const needed = MSGR2_KERNEL.join('.');
  return `the monitors speak messenger v2 only, which kernel ${kernelRelease} does not (needs ${needed})`;
}

/** Port 3300 is v2's; an address without prefix and port means both. */
function areV2Only(monitors: readonly string[]): boolean {
  const endpoints = monitors.flatMap(endpointsOf);
  return endpoints.length > 0 && endpoints.every(({ messenger }) => messenger === 'v2');
}
