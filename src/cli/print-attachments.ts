/** What `berth attachments` prints of attachments that are stuck, and of one that was to be released. */
import type { StuckAttachments } from '../diagnosis/attachment/find-stuck.js';
import type { ReleasedHolder } from '../reconcile/release-holder.js';
import type { Released } from '../reconcile/release-attachment.js';

/** One line for each that is stuck, and a count. */
export function printStuck({ all, stuck, whyNoHolders }: StuckAttachments): string {
  const lines = stuck.map(({ reason, says }) => `${reason}: ${says}`);
  if (whyNoHolders !== undefined) lines.push(`holders without an attachment are not known: ${whyNoHolders}`);
  return [...lines, `${all} attachments, ${stuck.length} stuck`, ''].join('\n');
}

/** What was asked and answered, a line each, and what came of it. */
export function printHolder({ volume, node, facts, evidence, outcome }: ReleasedHolder): string {
  const ends = {
    shown: `${node} would be taken out of the record of ${volume}; nothing was changed, --yes does it`,
    released: `${node} taken out of the record of ${volume}`,
    absent: `nothing to do: the record of ${volume} does not name ${node}`,
  };
  const lines = outcome === 'absent' ? [] : [...facts, `proof: ${evidence}`];
  return `${[...lines, ends[outcome]].join('\n')}\n`;
}

export const printRelease = (released: Released): string =>
  `${[...released.proof.map((one) => `proof: ${one}`), endLine(released)].join('\n')}\n`;

function endLine({ finalizer, outcome, keptBy }: Released): string {
  if (outcome === 'shown') return `finalizer ${finalizer} would be lifted; nothing was changed, --yes does it`;
  if (outcome === 'gone') return 'it was gone already';
  const rest = keptBy.length === 0 ? 'the attachment goes' : `it is kept by ${keptBy.join(', ')}`;
  return `finalizer ${finalizer} lifted, ${rest}`;
}
