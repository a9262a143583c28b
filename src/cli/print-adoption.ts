/** What `berth adopt` prints: a PersistentVolume for an image that is there already, with what differs as comments. */
import { stringify } from 'yaml';
import { usageError } from '../options/usage-error.js';
import type { Adoption } from '../volume/controller/adopt-image.js';
import { persistentVolume } from './persistent-volume.js';
import type { AdoptArguments } from './read-adopt.js';

const HELP = 'berth adopt --help';

/** For `kubectl apply -f -`; BERTH_USAGE where neither the image nor the person says which filesystem it is. */
export function printAdoption(adoption: Adoption, asked: AdoptArguments, driver: string): string {
  const { volume, sizeBytes, differences } = adoption;
  const fsType = adoption.fsType ?? asked.fsType;
  if (fsType === undefined)
    throw usageError('--fs-type', 'the image does not say which filesystem it has: give --fs-type', HELP);
  if (asked.fsType !== undefined && asked.fsType !== fsType)
    throw usageError('--fs-type', `the image has ${fsType}, not ${asked.fsType}`, HELP);
  const manifest = persistentVolume({
    ...{ driver, volume, sizeBytes, fsType, accessMode: asked.accessMode, claim: asked.claim },
    name: asked.name ?? `adopted-${volume.split('/').slice(1).join('-')}`,
  });
  const comments = differences.map((one) => `# - ${one}\n`).join('');
  const head = `# ${volume}, in place: nothing was copied, renamed or changed. What differs:\n${comments}`;
  return `${head}${stringify(manifest, { lineWidth: 0, keepUndefined: false })}`;
}
