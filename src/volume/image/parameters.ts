/** StorageClass parameters: every key known, every value checked, a typo is an error and never a silent default. */
import { FILESYSTEMS, type FilesystemType } from '../../model/capability.js';
import { berthError } from '../../model/errors.js';
import { parseBytes, parseSeconds } from '../../model/quantity.js';
import { isPlaceName } from '../../model/volume-id.js';
import { MOUNTER_CHOICES, type MounterChoice } from '../../model/mapper-name.js';
import { SANDBOX_WISHES, type SandboxWish } from '../../sandbox/choose-sandbox.js';
import { DEFAULT_FEATURES, whyNotFeatures } from './image-features.js';
import { DEFAULT_PREFIX } from './image-name.js';

export interface VolumeParameters {
  readonly cluster: string;
  readonly pool: string;
  readonly namespace: string;
  readonly namePrefix: string;
  readonly features: readonly string[];
  readonly objectSizeBytes: number | undefined;
  readonly stripeUnitBytes: number | undefined;
  readonly stripeCount: number | undefined;
  readonly dataPool: string | undefined;
  readonly mounter: MounterChoice;
  readonly mapOptions: string;
  /** s until I/O that the cluster leaves unanswered fails; undefined to wait for the cluster, however long. */
  readonly ioTimeoutSeconds: number | undefined;
  readonly mkfsOptions: string;
  /** For a capability that names no filesystem. */
  readonly fsType: FilesystemType | undefined;
  readonly sandbox: SandboxWish | undefined;
  readonly allowHostMount: boolean | undefined;
  /** s for which a deleted volume can come back; undefined where its data goes at once. */
  readonly deleteRetentionSeconds: number | undefined;
  /** The provisioner's extra metadata: PVC and PV names, kept under their own keys. */
  readonly labels: ReadonlyMap<string, string>;
}

/** The PersistentVolume's name, on images of a provisioner with --extra-create-metadata. */
export const PV_NAME_KEY = 'csi.storage.k8s.io/pv/name';
/** Those of the claim that it was made for. */
export const CLAIM_NAME_KEY = 'csi.storage.k8s.io/pvc/name';
export const CLAIM_NAMESPACE_KEY = 'csi.storage.k8s.io/pvc/namespace';
export const LABELS: readonly string[] = [CLAIM_NAME_KEY, CLAIM_NAMESPACE_KEY, PV_NAME_KEY];
/** All keys that a StorageClass may have; docs/parameters.md explains them. */
export const PARAMETER_NAMES: readonly string[] = [
  'clusterID',
  'pool',
  'radosNamespace',
  'dataPool',
  'volumeNamePrefix',
  'imageFeatures',
  'objectSize',
  'stripeUnit',
  'stripeCount',
  'mounter',
  'mapOptions',
  'ioTimeout',
  'mkfsOptions',
  'fsType',
  'csi.storage.k8s.io/fstype',
  'sandbox',
  'allowHostMount',
  'deleteRetention',
  ...LABELS,
];
const MIN_OBJECT = 4096;
const MAX_OBJECT = 32 * 2 ** 20;
/** Who would wait longer than a day means for ever; the kernel itself takes 24 days (net/ceph/ceph_common.c). */
const MAX_IO_TIMEOUT_SECONDS = 86_400;
/** A year: who would keep a volume for longer does not delete it. */
const MAX_RETENTION_SECONDS = 366 * 86_400;
/** Bytes (librbd: validate_striping). */
const LEAST_STRIPE_UNIT = 512;
/**
 * The prefix leaves room for a 36 byte uuid and more in RBD's image name, and is not that of deleted volumes
 * (image-name.ts).
 */
const PREFIX = /^(?!berth-deleted-)[A-Za-z0-9][A-Za-z0-9._-]{0,23}$/;

/** BERTH_PARAMETER_UNKNOWN, BERTH_PARAMETER_INVALID or BERTH_FIELD_MISSING for what a StorageClass must not say. */
export function parseParameters(parameters: Readonly<Record<string, string>>): VolumeParameters {
  const strange = Object.keys(parameters).find((name) => !PARAMETER_NAMES.includes(name));
  if (strange !== undefined) {
    throw berthError('BERTH_PARAMETER_UNKNOWN', { name: strange, known: PARAMETER_NAMES.join(', ') });
  }
  const read = new Values(parameters);
  const objectSizeBytes = read.bytes('objectSize');
  if (
    objectSizeBytes !== undefined &&
    (objectSizeBytes < MIN_OBJECT || objectSizeBytes > MAX_OBJECT || !isPowerOfTwo(objectSizeBytes))
  ) {
    throw read.parameterError('objectSize', 'a power of two from 4Ki to 32Mi');
  }
  return {
    cluster: read.required('clusterID'),
    pool: read.place('pool', read.required('pool')),
    namespace: read.place('radosNamespace', read.text('radosNamespace')),
    namePrefix: read.matching('volumeNamePrefix', PREFIX, DEFAULT_PREFIX),
    features: read.features(),
    objectSizeBytes,
    ...read.striping(objectSizeBytes),
    dataPool: read.text('dataPool') === '' ? undefined : read.place('dataPool', read.text('dataPool')),
    mounter: read.oneOf('mounter', MOUNTER_CHOICES) ?? 'auto',
    mapOptions: read.options('mapOptions'),
    ioTimeoutSeconds: read.ioTimeout(),
    mkfsOptions: read.options('mkfsOptions'),
    fsType: read.filesystem(),
    ...read.guest(),
    deleteRetentionSeconds: read.retention(),
    labels: new Map(LABELS.flatMap((name) => (parameters[name] ? [[name, parameters[name]]] : []))),
  };
}

export interface SandboxParameters {
  readonly sandbox: SandboxWish | undefined;
  /** May the kernel of a node mount a filesystem that a guest's kernel has written? Undefined where it is not said. */
  readonly allowHostMount: boolean | undefined;
}

/** Of a StorageClass or of a PersistentVolume, which has others beside them; BERTH_PARAMETER_INVALID. */
export function readSandbox(parameters: Readonly<Record<string, string>>): SandboxParameters {
  const { sandbox = '', allowHostMount = '' } = parameters;
  const wish = SANDBOX_WISHES.find((one) => one === sandbox);
  if (sandbox !== '' && wish === undefined) {
    throw berthError('BERTH_PARAMETER_INVALID', {
      name: 'sandbox',
      value: sandbox,
      why: `one of ${SANDBOX_WISHES.join(', ')}`,
    });
  }
  if (!['', 'true', 'false'].includes(allowHostMount)) {
    throw berthError('BERTH_PARAMETER_INVALID', {
      name: 'allowHostMount',
      value: allowHostMount,
      why: 'true or false',
    });
  }
  return { sandbox: wish, allowHostMount: allowHostMount === '' ? undefined : allowHostMount === 'true' };
}

const isPowerOfTwo = (value: number): boolean => Number.isInteger(Math.log2(value));

class Values {
  readonly #all: Readonly<Record<string, string>>;

  constructor(all: Readonly<Record<string, string>>) {
    this.#all = all;
  }

  parameterError(name: string, why: string): Error {
    return berthError('BERTH_PARAMETER_INVALID', { name, value: this.text(name), why });
  }

  text(name: string): string {
    return this.#all[name] ?? '';
  }

  required(name: string): string {
    const text = this.text(name);
    if (text === '') throw berthError('BERTH_FIELD_MISSING', { field: `parameter ${name}` });
    return text;
  }

  place(name: string, text: string): string {
    if (text !== '' && !isPlaceName(text)) throw this.parameterError(name, 'letters, digits, dot, dash and underscore');
    return text;
  }

  matching(name: string, pattern: RegExp, otherwise: string): string {
    const text = this.text(name);
    if (text !== '' && !pattern.test(text)) throw this.parameterError(name, `must match ${pattern.source}`);
    return text === '' ? otherwise : text;
  }

  oneOf<T extends string>(name: string, known: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === '') return undefined;
    const found = known.find((one) => one === text);
    if (found === undefined) throw this.parameterError(name, `one of ${known.join(', ')}`);
    return found;
  }

  /** The provisioner's own key and ours mean the same: both checked, and never one silently above the other. */
  filesystem(): FilesystemType | undefined {
    const ours = this.oneOf('fsType', FILESYSTEMS);
    const theirs = this.oneOf('csi.storage.k8s.io/fstype', FILESYSTEMS);
    if (ours !== undefined && theirs !== undefined && ours !== theirs) {
      throw this.parameterError('fsType', `csi.storage.k8s.io/fstype says ${theirs}`);
    }
    return ours ?? theirs;
  }

  guest(): SandboxParameters {
    return readSandbox(this.#all);
  }

  bytes(name: string): number | undefined {
    const text = this.text(name);
    if (text === '') return undefined;
    const bytes = parseBytes(text);
    if (bytes === undefined || bytes <= 0) throw this.parameterError(name, 'a number of bytes, such as 4194304 or 4Mi');
    return bytes;
  }

  /** Unset and `0` are the same: wait as Ceph waits. */
  ioTimeout(): number | undefined {
    const text = this.text('ioTimeout');
    if (text === '') return undefined;
    const seconds = parseSeconds(text);
    if (seconds === undefined || seconds > MAX_IO_TIMEOUT_SECONDS) {
      throw this.parameterError('ioTimeout', 'a time such as 120s or 5m, at most 24h; 0 waits as long as Ceph does');
    }
    return seconds === 0 ? undefined : seconds;
  }

  /** Unset and `0` are the same: the data of a deleted volume goes at once. */
  retention(): number | undefined {
    const text = this.text('deleteRetention');
    if (text === '') return undefined;
    const seconds = parseSeconds(text);
    if (seconds === undefined || seconds > MAX_RETENTION_SECONDS)
      throw this.parameterError(
        'deleteRetention',
        'a time such as 72h or 30m, at most a year (8784h); 0 keeps nothing',
      );
    return seconds === 0 ? undefined : seconds;
  }

  /** Options go to a command line as separate words: control characters have no business there. */
  options(name: string): string {
    const text = this.text(name);
    if (/[\u0000-\u001f]/.test(text)) throw this.parameterError(name, 'control characters');
    return text;
  }

  features(): readonly string[] {
    const text = this.text('imageFeatures');
    if (text === '') return DEFAULT_FEATURES;
    const names = [...new Set(text.split(',').map((one) => one.trim()))].filter((one) => one !== '');
    const why = names.length === 0 ? 'names no feature' : whyNotFeatures(names);
    if (why !== undefined) throw this.parameterError('imageFeatures', why);
    return names;
  }

  /** Unit and count belong together, and a stripe unit must divide the object. */
  striping(objectSizeBytes: number | undefined): {
    stripeUnitBytes: number | undefined;
    stripeCount: number | undefined;
  } {
    const stripeUnitBytes = this.bytes('stripeUnit');
    const stripeCount = this.bytes('stripeCount');
    if ((stripeUnitBytes === undefined) !== (stripeCount === undefined)) {
      throw this.parameterError(
        stripeUnitBytes === undefined ? 'stripeUnit' : 'stripeCount',
        'stripeUnit and stripeCount go together',
      );
    }
    if (stripeUnitBytes !== undefined && (objectSizeBytes ?? 4 * 2 ** 20) % stripeUnitBytes !== 0) {
      throw this.parameterError('stripeUnit', 'must divide the object size');
    }
    if (stripeUnitBytes !== undefined && stripeUnitBytes < LEAST_STRIPE_UNIT) {
      throw this.parameterError('stripeUnit', `at least ${LEAST_STRIPE_UNIT} bytes, for librbd refuses less`);
    }
    return { stripeUnitBytes, stripeCount };
  }
}

/** An option line as the words of a command line. */
export const words = (options: string): readonly string[] => options.split(/\s+/).filter((word) => word !== '');
