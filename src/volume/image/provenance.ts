/**
 * Whether an image may be formatted: only one that we made, that was never formatted, and only as the record foretold.
 */
import { UNSIGNED_DATA, type DeviceContent } from '../../host/filesystem/probe-device.js';
import { berthError } from '../../model/errors.js';
import { isOfAnother, subjectOf, type ImageIdentity, type RecordSubject } from '../../model/volume-id.js';
import type { ImageHead } from '../../rbd/port.js';
import { isFilesystemType, type FilesystemType } from '../../model/capability.js';
import { parseJson } from '../../model/parse-json.js';

/** Readable with `rbd image-meta get <image> berth.dev/filesystem`. */
export const FILESYSTEM_KEY = 'berth.dev/filesystem';

/**
 * `never`: made by us, nothing written by us. `formatting`: an mkfs with this uuid was begun and no pod has seen the
 * volume. `formatted`: done, here or in what it was copied from. `raw`: handed out writable as a block device, its
 * content is its user's. An image without a record is `foreign`.
 */
export type Provenance =
  | { readonly state: 'never' }
  | { readonly state: 'formatting'; readonly type: FilesystemType; readonly uuid: string; readonly node: string }
  | {
      readonly state: 'formatted';
      readonly type: FilesystemType;
      readonly uuid: string;
      /** Not here: it came with the content of a snapshot or of another volume, and has the uuid of that one. */
      readonly copied?: true;
      /** The uuid that it is being given instead; its journal was applied, and nobody has mounted it since. */
      readonly nextUuid?: string;
    }
  | { readonly state: 'raw' }
  | { readonly state: 'foreign' };

/** @param own the image that the record speaks of, so that a copy of it, or of another, does not inherit it */
export const formatProvenance = (
  provenance: Exclude<Provenance, { state: 'foreign' }>,
  volume: string,
  own: ImageIdentity,
): string => JSON.stringify({ version: 1, ...subjectOf(volume, own), ...provenance });

/**
 * A record that came with a copy is not believed, whatever the image is called now: `never` would format somebody's
 * data. BERTH_RECORD_UNREADABLE where the value cannot be understood: then nothing is formatted and nothing guessed.
 */
export function parseProvenance(home: Pick<ImageHead, 'id' | 'fsid' | 'metadata'>, volume: string): Provenance {
  const { metadata } = home;
  const text = metadata.get(FILESYSTEM_KEY);
  if (text === undefined) return { state: 'foreign' };
  const unreadableError = (why: string): Error =>
    berthError('BERTH_RECORD_UNREADABLE', { key: FILESYSTEM_KEY, volume, why });
  const parsed = parseJson(text);
  if (parsed === undefined) throw unreadableError('not JSON');
  if (typeof parsed !== 'object' || parsed === null) throw unreadableError('not an object');
  const value: RecordSubject & { version?: unknown; state?: unknown; type?: unknown; uuid?: unknown } = parsed;
  if (value.version !== 1) throw unreadableError(`version ${String(value.version)}`);
  if (isOfAnother(value, volume, home)) return { state: 'foreign' };
  if (value.state === 'never' || value.state === 'raw') return { state: value.state };
  const isNamed = isFilesystemType(value.type) && typeof value.uuid === 'string';
  if (isNamed && (value.state === 'formatting' || value.state === 'formatted')) return value as unknown as Provenance;
  throw unreadableError(`state ${String(value.state)}`);
}

/**
 * Does its record say so? False for one that cannot be understood: {@link parseProvenance} tells whoever acts on it.
 */
export function wasNeverFormatted({ head, volume }: { readonly head: ImageHead; readonly volume: string }): boolean {
  try {
    return parseProvenance(head, volume).state === 'never';
  } catch {
    return false;
  }
}

export type FormatDecision =
  | { readonly act: 'mount'; readonly type: FilesystemType }
  /** Begin: record the intent under a new uuid, then mkfs. */
  | { readonly act: 'format' }
  /** Our own mkfs was cut short before any pod saw the volume: do it again under its uuid. */
  | { readonly act: 'repeat'; readonly uuid: string }
  | { readonly act: 'refuse'; readonly why: string };

/**
 * Decide from the record and the device together;
 * before a `format` Ceph too is asked whether anything was ever written.
 */
export function decideFormat(
  provenance: Provenance,
  found: DeviceContent,
  wanted: FilesystemType,
  readOnly: boolean,
): FormatDecision {
  if (provenance.state === 'formatting') return decideInterrupted(provenance, found, wanted, readOnly);
  if (found.kind === 'filesystem') {
    return found.type === wanted
      ? { act: 'mount', type: wanted }
      : { act: 'refuse', why: `it holds ${found.type}, asked for ${wanted}` };
  }
  if (found.kind === 'other') return { act: 'refuse', why: `it holds ${found.what}` };
  // Its source may have been formatted after it was cut: then nothing is there yet, as Ceph has to say.
  const mayBeNew = provenance.state === 'formatted' && provenance.copied === true && !readOnly;
  if (mayBeNew) return { act: 'format' };
  const never: Readonly<Record<Exclude<typeof provenance.state, 'never'>, string>> = {
    foreign: 'Berth did not make this image',
    raw: 'it was used as a raw block device',
    formatted: 'its record says that it was formatted, yet no filesystem is found: it may be damaged',
  };
  if (provenance.state !== 'never') return { act: 'refuse', why: never[provenance.state] };
  return readOnly ? { act: 'refuse', why: 'it was never written and is asked for read-only' } : { act: 'format' };
}

function decideInterrupted(
  { type, uuid }: Extract<Provenance, { state: 'formatting' }>,
  found: DeviceContent,
  wanted: FilesystemType,
  readOnly: boolean,
): FormatDecision {
  if (readOnly) return { act: 'refuse', why: 'its formatting was begun and is asked for read-only' };
  if (type !== wanted) return { act: 'refuse', why: `its formatting as ${type} was begun, asked for ${wanted}` };
  // A signature of something else (LUKS, LVM, a partition table) is nothing that our mkfs leaves: somebody used the
  // image by hand.
  if (found.kind === 'other' && found.what !== UNSIGNED_DATA) {
    return { act: 'refuse', why: `its formatting was begun, yet it holds ${found.what}` };
  }
  // Our uuid does not mean that mkfs ended (mkfs.xfs writes it first);
  // no pod has seen the volume, so it is simply made again.
  const isOurs =
    found.kind !== 'filesystem' || (found.type === type && found.uuid.toLowerCase() === uuid.toLowerCase());
  if (isOurs) return { act: 'repeat', uuid };
  return { act: 'refuse', why: `its formatting was begun as ${uuid}, yet it holds ${found.type} ${found.uuid}` };
}
