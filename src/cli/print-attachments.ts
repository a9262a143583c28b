/** What `berth attachments` prints of attachments that are stuck, and of one that was to be released. */
import type { StuckAttachments } from '../diagnosis/attachment/find-stuck.js';
import type { Released } from '../reconcile/release-attachment.js';

/** One line for each that is stuck, and a count. */
export const printStuck = ({ all, stuck }: StuckAttachments): string =>
  [...stuck.map(({ reason, says }) => `${reason}: ${says}`), `${all} attachments, ${stuck.length} stuck`, ''].join(
    '\n',
  );

export const printRelease = (released: Released): string =>
  `${[...released.proof.map((one) => `proof: ${one}`), endLine(released)].join('\n')}\n`;

function endLine({ finalizer, outcome, keptBy }: Released): string {
  if (outcome === 'shown') return `finalizer ${finalizer} would be lifted; nothing was changed, --yes does it`;
  if (outcome === 'gone') return 'it was gone already';
  const rest = keptBy.length === 0 ? 'the attachment goes' : `it is kept by ${keptBy.join(', ')}`;
  return `finalizer ${finalizer} lifted, ${rest}`;
}
