/** The page of `berth trace`: one line for each link between the claim and its pods, and which is broken first. */
import { LINKS, type Link, type Unseen } from '../../diagnosis/trace/links.js';
import type { NodeView } from '../../diagnosis/trace/node-view.js';
import type { SubjectTrace } from '../../diagnosis/trace/trace-subject.js';
import type { VolumeTrace } from '../../diagnosis/trace/trace-volume.js';
import { attachmentLine, holderLine, imageLines, nodeLine, podLine } from './trace-lines.js';

type Line = readonly [string, string];

/** Of the names of the links. */
const WIDTH = 21;

/** A page for a volume, a heading and pages for a pod's, a heading and a line for each of a node's. */
export function printTrace({ pod, node, traces, untraced }: SubjectTrace): string {
  const others = untraced.map(({ named, why }): Line => ['not traced', `${Object.values(named).join('')}: ${why}`]);
  if (node !== undefined) {
    const volumes = traces.map((one): Line => ['volume', `${one.handle ?? one.claimName ?? ''}: ${verdictOf(one)}`]);
    const none = volumes.length + others.length === 0 ? [['volume', 'none is attached there'] as const] : [];
    return page([['node', nodeLine(node.name, node.seen, undefined)], ...volumes, ...others, ...none]);
  }
  const pages = traces.map((one) => page(linesOf(one)));
  if (pod === undefined) return pages.join('\n');
  const none: readonly Line[] = pod.claims.length === 0 ? [['claim', 'none: this pod has no volume of ours']] : [];
  return [page([['pod', podLine(pod)], ...others, ...none]), ...pages].join('\n');
}

function linesOf(trace: VolumeTrace): readonly Line[] {
  const { unseen } = trace;
  return [...shownLines(trace), ...notSeenLines(unseen), ...verdictLines(trace)];
}

function shownLines(trace: VolumeTrace): readonly Line[] {
  const { claimName, claim, isClaimGone, pvName, pv, handle, image, description, pods } = trace;
  const lines: Line[] = [];
  const bound = claim?.phase === undefined || claim.phase === '' ? '' : `, ${claim.phase}`;
  lines.push(['claim', claimName === undefined ? 'none' : `${claimName}${isClaimGone ? ', gone' : bound}`]);
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

function verdictLines({ breaks, unseen }: VolumeTrace): readonly Line[] {
  const [first, ...others] = breaks;
  if (first === undefined) return [['broken', `nothing${exceptUnseen(unseen)}`]];
  const also = others.map(({ link, reason, says }): Line => ['then', `${link}: ${reason}: ${says}`]);
  return [['broken', `${first.link}: ${first.reason}: ${first.says}`], ...also];
}

/** On one line. */
function verdictOf({ breaks, unseen }: VolumeTrace): string {
  const [first] = breaks;
  return first === undefined ? `nothing is broken${exceptUnseen(unseen)}` : `${first.link}: ${first.reason}`;
}

/** Whole is only what was looked at. */
function exceptUnseen(unseen: readonly Unseen[]): string {
  const missing: readonly Link[] = LINKS.filter((link) => unseen.some((one) => one.link === link));
  return missing.length === 0 ? '' : ` of what was looked at; not looked at: ${missing.join(', ')}`;
}

const page = (lines: readonly Line[]): string =>
  `${lines.map(([what, says]) => `${what.padEnd(WIDTH)}${says}`).join('\n')}\n`;
