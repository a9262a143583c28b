/** One volume's chain in words, a line for each link: what `berth trace` prints, and the page below its picture. */
import { LINKS, type Link, type Unseen } from './links.js';
import { attachmentLine, holderLine, imageLines, nodeLine, podLine } from './link-words.js';
import type { NodeView } from './node-view.js';
import type { VolumeTrace } from './trace-volume.js';

/** What it is, and what is said of it. */
export type Line = readonly [string, string];

/** What was seen, then what was not looked at and why. */
export const chainLines = (trace: VolumeTrace): readonly Line[] => [...seenLines(trace), ...notSeenLines(trace.unseen)];

function seenLines(trace: VolumeTrace): readonly Line[] {
  const { claimName, claim, isClaimGone, pvName, pv, isPvUnseen, handle, image, description, pods } = trace;
  const lines: Line[] = [];
  const bound = claim?.phase === undefined || claim.phase === '' ? '' : `, ${claim.phase}`;
  if (claimName !== undefined) lines.push(['claim', `${claimName}${isClaimGone ? ', gone' : bound}`]);
  else if (!isPvUnseen) lines.push(['claim', 'none']);
  if (handle === undefined) lines.push(['persistent volume', pvName === undefined ? 'none yet' : `${pvName}, gone`]);
  else if (pvName !== undefined)
    lines.push(['persistent volume', [pvName, pv?.phase ?? ''].filter((one) => one !== '').join(', ')]);
  if (handle !== undefined) {
    lines.push(['volume', handle], ...imageLines(image, description), ...nodeLines(trace), ...attachmentLines(trace));
    lines.push(...holderLines(trace), ...hereLines(trace.here));
  }
  return [...lines, ...(pods ?? []).map((pod): Line => ['pod', podLine(pod)])];
}

/** A node may have several attachments of it: one that goes, and one that comes. */
function nodeLines({ facts, handle }: VolumeTrace): readonly Line[] {
  const byName = new Map(facts.map(({ nodeName, node }) => [nodeName, node]));
  return [...byName].map(([name, node]): Line => ['node', nodeLine(name, node, handle)]);
}

function attachmentLines({ attachments }: VolumeTrace): readonly Line[] {
  if (attachments === undefined) return [];
  if (attachments.length === 0) return [['volume attachment', 'none']];
  return attachments.map((one): Line => ['volume attachment', attachmentLine(one)]);
}

function holderLines({ image }: VolumeTrace): readonly Line[] {
  if (image === undefined || image === 'absent' || 'error' in image) return [];
  const { watchers = [] } = image;
  return [
    ['holder record', holderLine(image)],
    ['image open at', watchers.length === 0 ? 'nowhere' : watchers.join(', ')],
  ];
}

function hereLines(here: NodeView | undefined): readonly Line[] {
  if (here?.kind === 'nothing') return [['journal, this node', 'nothing of it']];
  if (here?.kind !== 'staged') return [];
  const { entry, deviceBytes, staging, targets } = here;
  const { state, stagingPath, mapping, since, handedTo } = entry;
  const device = mapping?.device ?? (handedTo === undefined ? 'none' : `${handedTo} opens the image itself`);
  const size = mapping === undefined ? '' : deviceBytes === undefined ? ', gone' : `, ${deviceBytes} bytes`;
  const mounted = staging === undefined ? 'nothing' : `${staging.fsType}, ${staging.superOptions[0] ?? ''}`;
  return [
    ['journal, this node', `${state} since ${since}`],
    ['device', `${device}${size}`],
    ['mounts', `${stagingPath}: ${mounted}`],
    ...targets.map(({ path, mount, sandbox }): Line => {
      const what = mount === undefined ? 'nothing' : mount.fsType;
      return ['mounts', `${path}: ${what}${sandbox === undefined ? '' : `, for a guest of ${sandbox}`}`];
    }),
  ];
}

/** By link, so that it stands for the line that is missing. */
const notSeenLines = (unseen: readonly Unseen[]): readonly Line[] =>
  unseen.map(({ link, why }): Line => [link, `not looked at: ${why}`]);

/** Whole is only what was looked at. */
export function exceptUnseen(unseen: readonly Unseen[]): string {
  const missing: readonly Link[] = LINKS.filter((link) => unseen.some((one) => one.link === link));
  return missing.length === 0 ? '' : ` of what was looked at; not looked at: ${missing.join(', ')}`;
}
