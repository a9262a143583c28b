/**
 * What the image itself remembers of the volume it is: its CSI name and how it was asked for, under one metadata key.
 */
import { berthError, isBerthError } from '../../model/errors.js';
import { isOfAnother, type ImageIdentity, type RecordSubject } from '../../model/volume-id.js';
import { isFilesystemType, type FilesystemType } from '../../model/capability.js';
import type { MounterChoice } from '../../model/mapper-name.js';
import type { MapRequest } from '../../rbd/mapping/mapper.js';
import type { ImageHead } from '../../rbd/port.js';
import type { SandboxWish } from '../../sandbox/choose-sandbox.js';
import type { VolumeParameters } from './parameters.js';

/** Readable with `rbd image-meta get <image> berth.dev/volume`; an image without it was not made by Berth. */
export const VOLUME_KEY = 'berth.dev/volume';

/** The part of the StorageClass that shapes a volume for its whole life. */
export interface VolumeShape {
  readonly features: readonly string[];
  readonly objectSizeBytes?: number;
  readonly stripeUnitBytes?: number;
  readonly stripeCount?: number;
  readonly dataPool?: string;
  readonly mounter: MounterChoice;
  readonly mapOptions: string;
  /** Not there where I/O waits for the cluster, however long; records of releases before it have it never. */
  readonly ioTimeoutSeconds?: number;
  readonly mkfsOptions: string;
  readonly fsType?: FilesystemType;
  readonly sandbox?: SandboxWish;
  readonly allowHostMount?: boolean;
  /** s for which it can come back once it is deleted; not there where its data goes at once. */
  readonly deleteRetentionSeconds?: number;
}

/** What a volume was made from: a snapshot, or another volume. */
export interface ContentSource {
  readonly kind: 'snapshot' | 'volume';
  /** Its handle. */
  readonly id: string;
}

/** A copy of the image carries the record along and is not meant; records of earlier releases have the name alone. */
export interface VolumeRecord extends RecordSubject {
  readonly version: 1;
  readonly name: string;
  /** ISO 8601. */
  readonly created: string;
  readonly shape: VolumeShape;
  /** Not there for a volume that began empty. */
  readonly source?: ContentSource;
  /**
   * For whose claim it was made. Not there where that had no name, was not known at that moment, or in a record of an
   * earlier release.
   */
  readonly installation?: string | undefined;
}

export function shapeOf(parameters: VolumeParameters): VolumeShape {
  const {
    features,
    objectSizeBytes,
    stripeUnitBytes,
    stripeCount,
    dataPool,
    mounter,
    mapOptions,
    ioTimeoutSeconds,
    mkfsOptions,
    fsType,
    sandbox,
    allowHostMount,
    deleteRetentionSeconds,
  } = parameters;
  return {
    features,
    mounter,
    mapOptions,
    mkfsOptions,
    ...(ioTimeoutSeconds === undefined ? {} : { ioTimeoutSeconds }),
    ...(objectSizeBytes === undefined ? {} : { objectSizeBytes }),
    ...(stripeUnitBytes === undefined ? {} : { stripeUnitBytes }),
    ...(stripeCount === undefined ? {} : { stripeCount }),
    ...(dataPool === undefined ? {} : { dataPool }),
    ...(fsType === undefined ? {} : { fsType }),
    ...(sandbox === undefined ? {} : { sandbox }),
    ...(allowHostMount === undefined ? {} : { allowHostMount }),
    ...(deleteRetentionSeconds === undefined ? {} : { deleteRetentionSeconds }),
  };
}

export const formatVolumeRecord = (record: VolumeRecord): string => JSON.stringify(record);

/**
 * Undefined for an image without a record of its own;
 * BERTH_RECORD_UNREADABLE for one that this version cannot understand.
 * @param own of the image, to tell it from another one that has its name now; undefined where the name will do
 */
export function parseVolumeRecord(
  metadata: ReadonlyMap<string, string>,
  volume: string,
  own?: ImageIdentity,
): VolumeRecord | undefined {
  const text = metadata.get(VOLUME_KEY);
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as Partial<VolumeRecord>;
    if (value.version !== 1) throw new Error(`version ${String(value.version)}`);
    if (isOfAnother(value, volume, own)) return undefined;
    if (typeof value.name !== 'string' || typeof value.shape !== 'object') throw new Error('name or shape is missing');
    if (value.shape.fsType !== undefined && !isFilesystemType(value.shape.fsType)) throw new Error('unknown fsType');
    if (value.source !== undefined && !isSource(value.source)) throw new Error('unknown source');
    if (!['string', 'undefined'].includes(typeof value.installation)) throw new Error('installation is no text');
    if (!isSeconds(value.shape.ioTimeoutSeconds)) throw new Error('ioTimeoutSeconds is no number of seconds');
    if (!isSeconds(value.shape.deleteRetentionSeconds))
      throw new Error('deleteRetentionSeconds is no number of seconds');
    return value as VolumeRecord;
  } catch (error) {
    throw berthError('BERTH_RECORD_UNREADABLE', {
      key: VOLUME_KEY,
      volume,
      why: error instanceof Error ? error.message : 'not JSON',
    });
  }
}

/** Did another installation make it? Where either has no name, nobody can tell, and it may be this one's. */
export const isMadeElsewhere = ({ installation: maker = '' }: VolumeRecord, installation: string): boolean =>
  maker !== '' && installation !== '' && maker !== installation;

/** For who goes through many: one that cannot be read hides no other. */
export function recordOf({ metadata }: Pick<ImageHead, 'metadata'>, volume: string): ListedRecord {
  try {
    return parseVolumeRecord(metadata, volume);
  } catch (error) {
    if (isBerthError(error, 'BERTH_RECORD_UNREADABLE')) return 'unreadable';
    throw error;
  }
}

export type ListedRecord = VolumeRecord | 'unreadable' | undefined;

/**
 * Is it an image that Berth did not make, or another installation's volume? Not a copy, whose record becomes its own
 * where it is renamed; nor one whose record cannot be read: hiding its volume would hide what is wrong with it.
 */
export const isForeign = (
  { metadata }: Pick<ImageHead, 'metadata'>,
  record: ListedRecord,
  installation: string,
): boolean =>
  record === undefined ? !metadata.has(VOLUME_KEY) : record !== 'unreadable' && isMadeElsewhere(record, installation);

/** What the volume was made from; undefined also where its record cannot be read. */
export function sourceOf({ metadata }: Pick<ImageHead, 'metadata'>, volume: string): ContentSource | undefined {
  try {
    return parseVolumeRecord(metadata, volume)?.source;
  } catch (error) {
    if (isBerthError(error, 'BERTH_RECORD_UNREADABLE')) return undefined;
    throw error;
  }
}

const isSource = ({ kind, id }: Partial<ContentSource>): boolean =>
  (kind === 'snapshot' || kind === 'volume') && typeof id === 'string';

const isSeconds = (value: unknown): boolean =>
  value === undefined || (Number.isSafeInteger(value) && Number(value) > 0);

/** How the volume is mapped; an image without a record as a StorageClass that says nothing would have it. */
export function mapSettingsOf(record: VolumeRecord | undefined): Pick<MapRequest, 'options' | 'ioTimeoutSeconds'> {
  const { mapOptions = '', ioTimeoutSeconds = 0 } = record?.shape ?? {};
  return { options: mapOptions, ioTimeoutSeconds };
}

export interface Difference {
  readonly what: string;
  readonly have: string;
  readonly want: string;
}

/** The first way in which an existing volume is not what the parameters ask for. */
export function differsFrom(record: VolumeRecord, name: string, wanted: VolumeShape): Difference | undefined {
  if (record.name !== name) return { what: 'name', have: record.name, want: name };
  const keys = [...new Set([...Object.keys(record.shape), ...Object.keys(wanted)])] as (keyof VolumeShape)[];
  for (const what of keys) {
    const have = show(record.shape[what]);
    const want = show(wanted[what]);
    if (have !== want) return { what, have, want };
  }
  return undefined;
}

/** Was the volume made from something else than this? */
export function sourceDiffers(record: VolumeRecord, source: ContentSource | undefined): Difference | undefined {
  const [have, want] = [describeSource(record.source), describeSource(source)];
  return have === want ? undefined : { what: 'content source', have, want };
}

const describeSource = (source: ContentSource | undefined): string =>
  source === undefined ? 'none' : `${source.kind} ${source.id}`;

const show = (value: VolumeShape[keyof VolumeShape]): string =>
  Array.isArray(value) ? [...(value as string[])].sort().join(',') : String(value ?? 'unset');
