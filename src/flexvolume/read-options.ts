/**
 * The JSON that the kubelet hands down: the pod's options and what Kubernetes adds, checked by name so that a typo is
 * an error and no default.
 */
import { FILESYSTEMS, type FilesystemType } from '../model/capability.js';
import { berthError } from '../model/errors.js';
import { Secret } from '../model/secret.js';
import type { MountForPod } from '../volume/flexvolume/mount-for-pod.js';
import type { Credentials } from '../volume/image/find-volume.js';
import { parseJson } from '../model/parse-json.js';

/** Who takes the volume. */
export type FlexSandbox = 'hyperd' | 'kata' | 'host';
const SANDBOXES: readonly FlexSandbox[] = ['hyperd', 'kata', 'host'];

export interface VolumeOptions {
  readonly image: string;
  readonly pool: string;
  readonly namespace: string;
  readonly cluster: string | undefined;
  readonly monitors: readonly string[];
  readonly fsType: FilesystemType | undefined;
  readonly readOnly: boolean;
  readonly sandbox: FlexSandbox;
  /** Undefined leaves it to what the image says. */
  readonly allowHostMount: boolean | undefined;
  /** The pod's fsGroup, a gid as a decimal number; empty for none. */
  readonly group: string;
  /** In calls about a pod's directory. */
  readonly pod: MountForPod['pod'];
  /** From the pod's secret. */
  readonly secrets: Credentials | undefined;
  /** Of a keyring on the node, for {@link VolumeOptions.user}. */
  readonly keyring: string | undefined;
  readonly user: string | undefined;
  /** The name by which Kubernetes knows the volume, and all that a detach is told. */
  readonly name: string;
}

/** The pool of the ancestor of this driver, and the driver that it was. */
const POOL = 'hyper';
const HYPERD_DRIVER = 'hyper/cephrbd';

const OWN = [
  'volumeID',
  'image',
  'pool',
  'radosNamespace',
  'clusterID',
  'monitors',
  'user',
  'keyring',
  'sandbox',
  'allowHostMount',
];
const KUBERNETES = 'kubernetes.io/';
const SECRET = `${KUBERNETES}secret/`;

const volumeOptionError = (name: string, why: string): Error =>
  berthError('BERTH_FIELD_INVALID', { field: `options.${name}`, why });

/**
 * @param driver as pod specs name it, which decides the default sandbox.
 * BERTH_FIELD_INVALID, BERTH_FIELD_MISSING, BERTH_SECRETS_INVALID.
 */
export function readVolumeOptions(text: string, driver: string): VolumeOptions {
  const all = parse(text);
  const strange = [...all.keys()].find((name) => !OWN.includes(name) && !name.startsWith(KUBERNETES));
  if (strange !== undefined) throw volumeOptionError(strange, `it is not known; known: ${OWN.join(', ')}`);
  const get = (name: string): string | undefined => all.get(name) || undefined;
  const image = get('volumeID') ?? get('image');
  if (image === undefined) throw berthError('BERTH_FIELD_MISSING', { field: 'options.volumeID' });
  if ((get('image') ?? image) !== image) throw volumeOptionError('image', 'it is not the image that volumeID names');
  return {
    image,
    pool: get('pool') ?? POOL,
    namespace: get('radosNamespace') ?? '',
    cluster: get('clusterID'),
    monitors: monitorsOf(get('monitors') ?? ''),
    fsType: known(`${KUBERNETES}fsType`, get(`${KUBERNETES}fsType`), FILESYSTEMS),
    readOnly: known(`${KUBERNETES}readwrite`, get(`${KUBERNETES}readwrite`), ['ro', 'rw']) === 'ro',
    sandbox: known('sandbox', get('sandbox'), SANDBOXES) ?? (driver === HYPERD_DRIVER ? 'hyperd' : 'host'),
    allowHostMount: readFlag('allowHostMount', get('allowHostMount')),
    // As the kubelet names it since 1.15, and before.
    group: get(`${KUBERNETES}mounterArgs.FsGroup`) ?? get(`${KUBERNETES}fsGroup`) ?? '',
    pod: readPod(get),
    secrets: readSecrets(all, get('user')),
    keyring: get('keyring'),
    user: get('user'),
    name: get(`${KUBERNETES}pvOrVolumeName`) ?? '',
  };
}

/** Never quotes the text: it may hold a secret. */
function parse(text: string): ReadonlyMap<string, string> {
  const value = parseJson(text);
  if (value === undefined) throw berthError('BERTH_FIELD_INVALID', { field: 'options', why: 'they are not JSON' });
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw berthError('BERTH_FIELD_INVALID', { field: 'options', why: 'they are not an object' });
  const all = new Map<string, string>();
  for (const [name, one] of Object.entries(value)) {
    if (typeof one !== 'string') throw volumeOptionError(name, 'it is not a text');
    all.set(name, one);
  }
  return all;
}

function known<T extends string>(name: string, text: string | undefined, all: readonly T[]): T | undefined {
  if (text === undefined) return undefined;
  const found = all.find((one) => one === text);
  if (found === undefined) throw volumeOptionError(name, `${text} is none of ${all.join(', ')}`);
  return found;
}

function readFlag(name: string, text: string | undefined): boolean | undefined {
  const said = known(name, text, ['true', 'false']);
  return said === undefined ? undefined : said === 'true';
}

function readPod(get: (name: string) => string | undefined): MountForPod['pod'] {
  const [namespace, name, uid] = ['namespace', 'name', 'uid'].map((one) => get(`${KUBERNETES}pod.${one}`));
  return namespace === undefined || name === undefined || uid === undefined ? undefined : { namespace, name, uid };
}

/** `a:6789,b:6789`, or bracketed vectors of both messengers, whose commas divide no monitors. */
const monitorsOf = (text: string): readonly string[] =>
  [...text.matchAll(/\[(?:v1|v2|any):(?:[^[\]]|\[[^[\]]*\])*\]|[^,\s]+/g)].map(([one]) => one);

/**
 * `userID` and `userKey` as CSI's secrets have them,
 * or `key` as Kubernetes' own RBD secrets have it, beside the option `user`.
 */
function readSecrets(all: ReadonlyMap<string, string>, user: string | undefined): Credentials | undefined {
  const secret = (name: string): string | undefined => {
    const encoded = all.get(`${SECRET}${name}`);
    return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8').trim();
  };
  const key = secret('userKey') ?? secret('key');
  const id = secret('userID') ?? user;
  if (key === undefined) return undefined;
  if (key === '' || id === undefined || id === '')
    throw berthError('BERTH_SECRETS_INVALID', {
      why: 'the key of the pod’s secret has no user; give userID, or the option user',
    });
  return { user: id, key: new Secret(key) };
}
