/** What `berth undelete` prints: the deleted volumes, or the PersistentVolume of the one that came back. */
import { stringify } from 'yaml';
import { DEFAULT_FILESYSTEM } from '../model/capability.js';
import { stateOf, type DeletedVolume, type RestoredVolume } from '../volume/controller/delete/undelete-volume.js';
import { persistentVolume } from './persistent-volume.js';
import type { UndeleteArguments } from './read-undelete.js';

/** A line for each, the newest first. */
export function printDeleted(volumes: readonly DeletedVolume[], now: Date): string {
  if (volumes.length === 0) return 'no deleted volume is there any more\n';
  const newest = [...volumes].sort((a, b) => b.record.at.localeCompare(a.record.at));
  const lines = newest.map(({ id, sizeBytes, record }) => {
    const { volume, at } = record;
    return `${volume}  id ${id}  ${sizeBytes} bytes  deleted ${at}  ${stateOf(record, now)}\n`;
  });
  return lines.join('');
}

/** For `kubectl apply -f -`. */
export function printRestored(restored: RestoredVolume, asked: UndeleteArguments, driver: string): string {
  const { volume, sizeBytes, isRaw, fsType = DEFAULT_FILESYSTEM } = restored;
  const manifest = persistentVolume({
    ...{ driver, volume, sizeBytes, accessMode: asked.accessMode, claim: asked.claim },
    name: asked.name ?? `restored-${volume.split('/').at(-1) ?? ''}`,
    fsType: isRaw ? undefined : fsType,
  });
  return `# ${asked.volume} is back as ${volume}\n${stringify(manifest, { lineWidth: 0, keepUndefined: false })}`;
}
