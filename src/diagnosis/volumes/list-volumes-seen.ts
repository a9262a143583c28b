/** Gathers what `berth volumes` shows from Ceph, the API and this node's journal; what cannot be read is told. */
import { join } from 'node:path';
import { deviceSizeBytes } from '../../host/device/block-device.js';
import { Journal } from '../../journal/journal.js';
import type { Attachments } from '../../kube/volume-attachments.js';
import { Deadline } from '../../model/deadline.js';
import { toldOf } from '../message-of.js';
import { listVolumes, type ListVolumesParts } from '../../volume/controller/list/list-volumes.js';
import { volumeRows, type ListedImage, type VolumeRow, type VolumeSources } from './volume-rows.js';

export interface VolumesParts {
  /** Undefined for a node, whose user may list no images. */
  readonly list: ListVolumesParts | undefined;
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
  const isPartial = leftOut.length > 0;
  return { volumes: volumeRows({ images, leftOut: isPartial, volumes, attachments, entries, nodeId }), leftOut };
}

async function imagesOf(parts: ListVolumesParts, leftOut: string[], deadline: Deadline): Promise<ListedImage[]> {
  const found: ListedImage[] = [];
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
