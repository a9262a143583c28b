/**
 * `berth adopt POOL[/NAMESPACE]/IMAGE`: a PersistentVolume for an image that is there already, in place, with what
 * differs as comments.
 */
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { FILESYSTEMS, isFilesystemType, type FilesystemType } from '../model/capability.js';
import { berthError } from '../model/errors.js';
import type { Adoption } from '../volume/controller/adopt-image.js';
import type { ImageAsked } from '../volume/image/find-handle.js';

export interface AdoptArguments {
  readonly clusters: string;
  readonly image: ImageAsked;
  readonly name: string | undefined;
  readonly fsType: FilesystemType | undefined;
  /** `namespace/name` of the claim that is to get it. */
  readonly claim: string | undefined;
  readonly accessMode: string;
}

const ACCESS_MODES = ['ReadWriteOnce', 'ReadWriteOncePod', 'ReadOnlyMany'];
const USAGE =
  'berth adopt POOL[/NAMESPACE]/IMAGE [--cluster-id, --name, --fs-type, --claim NS/NAME, --access-mode, --clusters]';

const wrong = (why: string): Error => berthError('BERTH_CONFIG_INVALID', { file: 'adopt', why: `${why}; ${USAGE}` });

/** Undefined where the command line is not for it. BERTH_CONFIG_INVALID. */
export function adoptArguments(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): AdoptArguments | undefined {
  if (args[0] !== 'adopt') return undefined;
  const { values, positionals } = read(args.slice(1));
  const { 'access-mode': accessMode = 'ReadWriteOnce', 'fs-type': fsType, claim, name } = values;
  if (!ACCESS_MODES.includes(accessMode)) throw wrong(`--access-mode is one of ${ACCESS_MODES.join(', ')}`);
  if (fsType !== undefined && !isFilesystemType(fsType)) throw wrong(`--fs-type is one of ${FILESYSTEMS.join(', ')}`);
  if (!/^[^/]+[/][^/]+$/.test(claim ?? 'a/b')) throw wrong('--claim is NAMESPACE/NAME');
  return {
    clusters: values.clusters ?? env['BERTH_CLUSTERS'] ?? '/etc/berth/clusters.yaml',
    image: { cluster: values['cluster-id'], monitors: [], ...placeOf(positionals) },
    ...{ name, fsType, claim, accessMode },
  };
}

function placeOf([image = '', ...more]: readonly string[]): Pick<ImageAsked, 'pool' | 'namespace' | 'image'> {
  const parts = image.split('/');
  if (more.length > 0 || parts.length < 2 || parts.length > 3) throw wrong('one image is needed');
  const [pool = '', namespace = '', name = ''] = parts.length === 3 ? parts : [parts[0], '', parts[1]];
  return { pool, namespace, image: name };
}

function read(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const known = { clusters: text, 'cluster-id': text, name: text, 'fs-type': text, claim: text, 'access-mode': text };
  try {
    return parseArgs({ args: [...args], options: known, allowPositionals: true });
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : 'cannot be read');
  }
}

/** Kubernetes' names: lower case, digits, dash and dot. */
const nameOf = (volume: string): string =>
  `adopted-${volume.split('/').slice(1).join('-')}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '');

/**
 * For `kubectl apply -f -`; BERTH_CONFIG_INVALID where neither the image nor the person says which filesystem it is.
 */
export function manifestOf(adoption: Adoption, asked: AdoptArguments, driver: string): string {
  const { volume, sizeBytes, differences } = adoption;
  const fsType = adoption.fsType ?? asked.fsType;
  if (fsType === undefined) throw wrong('the image does not say which filesystem it has: give --fs-type');
  if (asked.fsType !== undefined && asked.fsType !== fsType)
    throw wrong(`the image holds ${fsType}, not ${asked.fsType}`);
  const [namespace, name] = asked.claim?.split('/') ?? [];
  const manifest = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: asked.name ?? nameOf(volume) },
    spec: {
      capacity: { storage: String(sizeBytes) },
      accessModes: [asked.accessMode],
      volumeMode: 'Filesystem',
      // It was there before Kubernetes knew of it, and is to be there afterwards.
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: '',
      ...(name === undefined ? {} : { claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name } }),
      csi: { driver, volumeHandle: volume, fsType },
    },
  };
  const comments = differences.map((one) => `# - ${one}\n`).join('');
  return `# ${volume}, in place: nothing was copied, renamed or changed. What differs:\n${comments}${stringify(manifest, { lineWidth: 0 })}`;
}
