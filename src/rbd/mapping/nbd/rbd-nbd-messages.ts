/**
 * The only place that reads what the rbd-nbd program prints (tools/rbd_nbd; 14 and newer). Its exit code is 1 for
 * everything.
 */
import { berthError, type BerthError } from '../../../model/errors.js';
import type { ImageSpec } from '../../../model/volume-id.js';
import type { MapRequest } from '../mapper.js';
import type { RbdRefusal } from '../rbd-messages.js';

/** What this version of the program can do. */
export interface NbdAbilities {
  readonly netlink: boolean;
  readonly cookie: boolean;
  readonly reattachTimeout: boolean;
  readonly ioTimeout: boolean;
}

/** The arguments that each ability needs, with a value that the program can read. */
export const ABILITY_ARGUMENTS: Readonly<Record<keyof NbdAbilities, readonly string[]>> = {
  netlink: ['--try-netlink'],
  cookie: ['--cookie', 'any'],
  reattachTimeout: ['--reattach-timeout', '60'],
  ioTimeout: ['--io-timeout', '60'],
};

/** A command that no version has: the program reads all options that it knows before it refuses this. */
export const NO_COMMAND = 'berth-asks';

/**
 * Does the program know `option`? It was run with it and {@link NO_COMMAND}, and calls the first word that it cannot
 * read an unknown command. Undefined where it said something else. Its help is no answer: from 18.2.2 on it leaves
 * `--try-netlink` out, which is still understood (ceph/ceph#55234).
 */
export function knowsOption(stderr: string, option: string): boolean | undefined {
  const word = /unknown command: (\S+)/.exec(stderr)?.[1];
  if (word === NO_COMMAND) return true;
  return word === option ? false : undefined;
}

/**
 * The catalogue's error where rbd-nbd itself said enough; for a missing image, pool or namespace it says nothing at
 * all.
 */
export function explainRbdNbd({ stderr }: RbdRefusal, request: MapRequest): BerthError | undefined {
  const { cluster, user } = request.image.access;
  if (/handle_auth_bad_method|\(13\) Permission denied/.test(stderr)) {
    return berthError('BERTH_CLUSTER_AUTH_FAILED', { cluster, user });
  }
  if (stderr.includes('failed to fetch mon config')) {
    return berthError('BERTH_CLUSTER_UNREACHABLE', { cluster, why: 'no monitor answered in time' });
  }
  if (/failed to find unused device|failed to open device/.test(stderr)) {
    return berthError('BERTH_MAPPER_UNAVAILABLE', {
      mapper: 'nbd',
      why: 'there is no free nbd device (module parameter nbds_max)',
    });
  }
  if (/unknown args|unrecognised option|invalid .*option/i.test(stderr)) {
    return berthError('BERTH_PARAMETER_INVALID', {
      name: 'mapOptions',
      value: request.options,
      why: 'the rbd-nbd program does not know it',
    });
  }
  return undefined;
}

export interface ListedNbd extends ImageSpec {
  readonly device: string;
  readonly snapshot: string;
}

/** The output of `list-mapped --format json`; nothing for what is not of its format. */
export function parseListMapped(text: string): readonly ListedNbd[] {
  const list: unknown = JSON.parse(text === '' ? '[]' : text);
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) return [];
    const field = (name: string): string => {
      const value: unknown = Object.entries(entry).find(([key]) => key === name)?.[1];
      return typeof value === 'string' ? value : '';
    };
    const [device, pool, image] = [field('device'), field('pool'), field('image')];
    if (device === '' || pool === '' || image === '') return [];
    return [{ device, pool, namespace: field('namespace'), image, snapshot: field('snap') }];
  });
}
