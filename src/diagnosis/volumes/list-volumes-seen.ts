/** Gathers what `berth volumes` shows from Ceph, the API and this node's journal; what cannot be read is told. */
import { join } from 'node:path';
import { deviceSizeBytes } from '../../host/device/block-device.js';
import { Journal } from '../../journal/journal.js';
import type { Attachments } from '../../kube/volume-attachments.js';
import { Deadline } from '../../model/deadline.js';
import { workThrough } from '../../model/settle-all.js';
import { skipSilent } from '../attachment/skip-silent.js';
import { toldOf } from '../message-of.js';
import { listVolumes, type ListVolumesParts } from '../../volume/controller/list/list-volumes.js';
import { readHolders, type ReadHoldersParts } from '../../volume/image/read-holders.js';
import { volumeRows, type SeenImage, type VolumeRow, type VolumeSources } from './volume-rows.js';

export interface VolumesParts {
  /** Undefined for a node, whose user may list no images. */
  readonly list: (ListVolumesParts & ReadHoldersParts) | undefined;
  /** Undefined without Kubernetes, and for a node, whose account may list nothing. */
  readonly api: Pick<Attachments, 'list' | 'listVolumes'> | undefined;
  /** Undefined for a controller. */
  readonly stateDirectory: string | undefined;
  readonly nodeId: string;
}

export interface VolumesSeen {
  readonly volumes: readonly VolumeRow[];
  /** What could not be read, and why. */
  readonly leftOut: readonly string[];
}

/** What all readings may take, in ms. */
const BUDGET_MS = 120_000;

export async function listVolumesSeen({ list, api, stateDirectory, nodeId }: VolumesParts): Promise<VolumesSeen> {
  const deadline = Deadline.after(BUDGET_MS);
  const leftOut: string[] = [];
  const tried = async <T>(what: string, act: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await act();
    } catch (error) {
      leftOut.push(`${what}: ${toldOf(error)}`);
      return undefined;
    }
  };
  const [images, volumes, attachments] = await Promise.all([
    list && tried('images', () => imagesOf(list, leftOut, deadline)),
    api && tried('PersistentVolumes', () => api.listVolumes(deadline)),
    api && tried('VolumeAttachments', () => api.list(deadline)),
  ]);
  const entries = stateDirectory === undefined ? [] : await entriesOf(stateDirectory, leftOut);
  const unlisted = unlistedOf(images, [...(volumes ?? []).map(({ handle }) => handle), ...entries.map(handleOf)]);
  const asked = list && (await askEach(list, unlisted, leftOut, deadline));
  const known = images && [...images, ...(asked?.found ?? [])];
  const absent = asked?.absent ?? new Set();
  return { volumes: volumeRows({ images: known, absent, volumes, attachments, entries, nodeId }), leftOut };
}

const handleOf = ({ volume }: { readonly volume: string }): string => volume;

/** None where nothing was listed. */
function unlistedOf(images: readonly SeenImage[] | undefined, handles: readonly string[]): ReadonlySet<string> {
  const listed = new Set(images?.map(handleOf));
  return new Set(images === undefined ? [] : handles.filter((handle) => !listed.has(handle)));
}

/** Images asked for at the same time. */
const WIDTH = 8;
/** Why nobody has to look at one that no list shows: nothing is known against it. */
const NOTHING = { abnormal: false, message: '' };

/**
 * A list proves nothing of what it does not show: an adopted image says of no claim, a pool may have been taken from
 * the clusters file, a volume may be made meanwhile. So each such handle is asked for.
 */
async function askEach(
  parts: ReadHoldersParts,
  handles: ReadonlySet<string>,
  leftOut: string[],
  deadline: Deadline,
): Promise<{ readonly found: readonly SeenImage[]; readonly absent: ReadonlySet<string> }> {
  const ceph = skipSilent({
    readHolders: (volume: string, watchers: boolean, until: Deadline) =>
      readHolders(parts, { volume, role: 'controller', watchers }, until),
  });
  const found: SeenImage[] = [];
  const absent = new Set<string>();
  const unknown = new Map<string, string[]>();
  await workThrough(handles, WIDTH, async (volume) => {
    try {
      const seen = await ceph.readHolders(volume, false, deadline);
      if (seen === 'absent') absent.add(volume);
      else {
        const publishedNodes = seen.holders.map(({ node }) => node);
        found.push({ volume, sizeBytes: undefined, publishedNodes, condition: NOTHING });
      }
    } catch (error) {
      const why = toldOf(error);
      const alike = unknown.get(why);
      if (alike === undefined) unknown.set(why, [volume]);
      else alike.push(volume);
    }
  });
  for (const [why, volumes] of unknown)
    if (!leftOut.includes(why)) leftOut.push(`${volumes.sort().join(', ')}: ${why}`);
  return { found, absent };
}

async function imagesOf(parts: ListVolumesParts, leftOut: string[], deadline: Deadline): Promise<SeenImage[]> {
  const found: SeenImage[] = [];
  let startingToken = '';
  do {
    const asked = { maxEntries: 0, startingToken, leftOut: (why: Error) => void leftOut.push(toldOf(why)) };
    const page = await listVolumes(parts, asked, deadline);
    found.push(...page.volumes);
    startingToken = page.nextToken;
  } while (startingToken !== '');
  return found;
}

async function entriesOf(stateDirectory: string, leftOut: string[]): Promise<VolumeSources['entries']> {
  const directory = join(stateDirectory, 'journal');
  try {
    const { entries, unreadable } = await new Journal(directory).all();
    leftOut.push(...unreadable.map((file) => `${file} of the journal cannot be read`));
    const sized = entries.map(async (entry) => {
      const { mapping } = entry;
      const sizeBytes = mapping && (await deviceSizeBytes(mapping.device).catch(() => undefined));
      return { ...entry, sizeBytes };
    });
    return await Promise.all(sized);
  } catch (error) {
    leftOut.push(`${directory}: ${toldOf(error)}`);
    return [];
  }
}
