/** What is wrong with a volume on this node: its journal, its device, its mounts, and what its runtime finds. */
import { MENDING, whyShownStopped } from '../../../host/filesystem/filesystem-health.js';
import { isMountedHere } from '../../../journal/entry.js';
import { broken, type Break } from '../links.js';
import type { SeenTarget, StagedHere } from '../node-view.js';
import type { VolumeFacts } from '../volume-facts.js';

export function nodeBreaks({ here, image, handle = '', nodeId }: VolumeFacts): readonly Break[] {
  if (here?.kind === 'unreadable')
    return [broken('JournalUnreadable', `this node's journal of ${handle} cannot be read: ${here.why}`)];
  if (here?.kind === 'staged') return stagedBreaks(here);
  const holders = typeof image === 'object' && 'holders' in image ? image.holders : [];
  const isHeld = holders.some(({ node, state }) => node === nodeId && state === 'staged');
  if (here?.kind !== 'nothing' || !isHeld) return [];
  const says = `the image's record says that ${nodeId} has it staged, and this node's journal knows nothing of it`;
  return [broken('NotStagedHere', `${says}; was --state-dir lost or changed? berth attachments --holder ${nodeId}`)];
}

function stagedBreaks(here: StagedHere): readonly Break[] {
  const { entry, deviceBytes, staging, targets } = here;
  const { volume, mapping, stagingPath, state, readOnly, mending } = entry;
  // What is only begun, or being undone, has no state that could be wrong.
  if (state !== 'staged') return [];
  if (mapping !== undefined && deviceBytes === undefined) {
    const todo = 'end its pods on this node; the next stage maps it anew';
    return [broken('DeviceGone', `${mapping.device} of ${volume} is not there any more; ${todo}`)];
  }
  const found: Break[] = [];
  if (isMountedHere(entry) && entry.handedTo === undefined) {
    const why = staging && whyShownStopped(staging, readOnly);
    // A filesystem that is being mended is taken away to be checked, and comes back.
    if (staging === undefined && mending !== true)
      found.push(broken('NotMounted', `${volume} is staged at ${stagingPath}, and nothing is mounted there`));
    if (why !== undefined)
      found.push(broken('MountedReadOnly', `${volume} is staged at ${stagingPath}, and ${why}; ${MENDING}`));
  }
  return [...found, ...targets.flatMap((target) => targetBreaks(volume, target))];
}

function targetBreaks(volume: string, { path, mount, sandbox, hasKataRecord }: SeenTarget): readonly Break[] {
  if (mount === undefined) {
    const what = sandbox === 'kata' ? 'the guard of its Kata pod' : 'it';
    return [broken('TargetNotMounted', `${volume} is published at ${path}, and ${what} is not mounted there`)];
  }
  if (hasKataRecord !== false) return [];
  const says = `the Kata runtime finds no record of ${volume} for ${path}, so its guest gets an empty directory`;
  return [broken('KataRecordGone', `${says}; delete the pod`)];
}
