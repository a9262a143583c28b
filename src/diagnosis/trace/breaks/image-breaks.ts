/** What is wrong with a volume's image and with who has it open, decided from facts alone. */
import { broken, type Break } from '../links.js';
import type { VolumeFacts } from '../volume-facts.js';

export const imageBreaks = (facts: VolumeFacts): readonly Break[] => [
  ...missingImage(facts),
  ...spoiltImage(facts),
  ...unfinishedGrowth(facts),
  ...strangers(facts),
];

/** An attachment says the same of its own image: then it is told there. */
function missingImage({ handle = '', image, findings }: VolumeFacts): readonly Break[] {
  const isTold = findings.some(({ reason }) => reason === 'ImageGone' || reason === 'CephSilent');
  if (image === undefined || isTold) return [];
  if (image === 'absent') {
    const todo = 'berth undelete lists deleted volumes that can come back; rbd ls shows renamed ones';
    return [broken('ImageGone', `Ceph does not have the image of ${handle}; ${todo}`)];
  }
  return 'error' in image ? [broken('CephSilent', `what Ceph has of ${handle} is not known: ${image.error}`)] : [];
}

function spoiltImage({ description, pv }: VolumeFacts): readonly Break[] {
  if (description === undefined) return [];
  const { image, deleting, locks, sizeBytes } = description;
  const found: Break[] = [];
  if (deleting !== undefined) {
    const says = `${image} is being deleted since ${deleting.since} by the Ceph client ${deleting.client}`;
    found.push(broken('VolumeDeleting', `${says}; docs/operations.md says how it is kept instead`));
  }
  if (locks !== undefined) {
    const todo = `once its owner has ended for certain: ${locks.breaking}`;
    found.push(broken('ImageLocked', `${image} has an advisory lock, and no writer gets it: ${locks.says}; ${todo}`));
  }
  const wanted = pv?.capacityBytes;
  if (wanted !== undefined && sizeBytes < wanted) {
    const says = `${image} has ${sizeBytes} bytes in Ceph, and PersistentVolume ${pv?.name ?? ''} says ${wanted}`;
    const todo = 'csi-resizer was cut short, or somebody shrank the image; rbd resize makes it as large again';
    found.push(broken('ImageTooSmall', `${says}; ${todo}`));
  }
  return found;
}

function unfinishedGrowth({ description }: VolumeFacts): readonly Break[] {
  const { growth, image = '' } = description ?? {};
  if (growth?.state === 'growing') {
    const says = `the filesystem of ${image} may be half grown, by ${growth.node} since ${growth.since}`;
    return [broken('GrowthCut', `${says}; the next stage goes back to snapshot ${growth.snapshot} and begins anew`)];
  }
  if (growth?.state !== 'failed') return [];
  const says = `the filesystem of ${image} was not grown to ${growth.size} bytes in ${growth.tries} tries`;
  const todo = `it is used as it is; rbd image-meta remove ${image} berth.dev/growth, and the next stage tries again`;
  return [broken('GrowthGivenUp', `${says}: ${growth.why ?? 'no reason is known'}; ${todo}`)];
}

/** A finding that already names who has it open says more. */
function strangers({ description, findings }: VolumeFacts): readonly Break[] {
  const isTold = findings.some(({ reason }) => reason === 'ImageStillOpen' || reason === 'StillMounted');
  if (description === undefined || description.strangers === '' || isTold) return [];
  const { image, strangers } = description;
  const says = `${image} is open at ${strangers}, which no holder record explains`;
  return [broken('OpenUnexplained', `${says}; close it there (rbd status ${image}), no writer gets it before`)];
}
