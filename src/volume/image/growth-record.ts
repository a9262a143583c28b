/**
 * What an image remembers of a growth that works on its filesystem while nobody has it mounted. Such a growth has no
 * journal of its own: cut short, it leaves a filesystem that cannot be used, and the way back is a snapshot.
 */
import { berthError } from '../../model/errors.js';
import { parseJson } from '../../model/parse-json.js';
import { isOfAnother, subjectOf, type RecordSubject } from '../../model/volume-id.js';
import type { ImageHead } from '../../rbd/port.js';

/** Readable with `rbd image-meta get <image> berth.dev/growth`; absent where there is nothing to remember. */
export const GROWTH_KEY = 'berth.dev/growth';

/** What the name of each such snapshot begins with: it is Berth's own, and nobody's to restore from. */
export const GROWTH_SNAPSHOT = 'berth-growth-';

/**
 * `growing`: the filesystem may be half grown, and goes back to the snapshot before anybody uses it. `grown`: it is
 * whole, and so it is where it was `undone`; in both the snapshot may still have to be removed, and nobody goes back to
 * it any more. `failed`: nothing is left of it but that it did not work.
 */
export type GrowthState = 'growing' | 'grown' | 'undone' | 'failed';

export interface GrowthRecord {
  readonly state: GrowthState;
  /** Taken before the first write. */
  readonly snapshot: string;
  /** Of the device that the filesystem was to fill, in bytes; decimal, for JSON knows no such numbers. */
  readonly size: string;
  /** {@link Superblock.mounts} at the snapshot: another one says that somebody has mounted it since. */
  readonly mounts: string;
  /** How often it was tried for this size. */
  readonly tries: number;
  /** Whose growth it is, since when, and what it ended by, where that is known: for a person to read. */
  readonly node: string;
  readonly since: string;
  readonly why?: string;
}

type Home = Pick<ImageHead, 'id' | 'fsid' | 'metadata'>;

/** An image as it was found. */
interface Grown {
  readonly head: Home;
  readonly volume: string;
}

const STATES: readonly unknown[] = ['growing', 'grown', 'undone', 'failed'] satisfies readonly GrowthState[];

export const formatGrowth = (record: GrowthRecord, volume: string, home: Home): string =>
  JSON.stringify({ version: 1, ...subjectOf(volume, home), ...record });

/** Undefined where there is none, or only one that came with a copy. BERTH_RECORD_UNREADABLE. */
export function parseGrowth(home: Home, volume: string): GrowthRecord | undefined {
  const text = home.metadata.get(GROWTH_KEY);
  if (text === undefined) return undefined;
  const unreadableError = (why: string): Error =>
    berthError('BERTH_RECORD_UNREADABLE', { key: GROWTH_KEY, volume, why });
  const parsed = parseJson(text);
  if (typeof parsed !== 'object' || parsed === null) throw unreadableError('not a JSON object');
  const value = parsed as RecordSubject & Partial<Record<keyof GrowthRecord | 'version', unknown>>;
  if (value.version !== 1) throw unreadableError(`version ${String(value.version)}`);
  if (isOfAnother(value, volume, home)) return undefined;
  const { state, snapshot, size, mounts, tries } = value;
  const isWhole = [snapshot, size, mounts].every((one) => typeof one === 'string') && typeof tries === 'number';
  if (!STATES.includes(state) || !isWhole) throw unreadableError(`state ${String(state)}`);
  return value as unknown as GrowthRecord;
}

/** May its filesystem be half grown? BERTH_RECORD_UNREADABLE. */
export const isHalfGrown = ({ head, volume }: Grown): boolean => parseGrowth(head, volume)?.state === 'growing';

/** BERTH_GROWTH_UNFINISHED while the filesystem may be half grown: for what must not see it, or change its image. */
export function refuseHalfGrown({ head, volume }: Grown, why: string): void {
  const growth = parseGrowth(head, volume);
  if (growth?.state !== 'growing') return;
  throw berthError('BERTH_GROWTH_UNFINISHED', { volume, node: growth.node, why });
}
