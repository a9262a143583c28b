/** What of a volume's chain its picture shows: a box for each object from the claim to the pod, and which is broken. */
import type { Break, Link } from '../../diagnosis/trace/links.js';
import type { VolumeTrace } from '../../diagnosis/trace/trace-volume.js';
import { sizeText } from '../../diagnosis/volumes/size-text.js';

/** `first`: the link to mend. `broken`: what suffers as well. `unseen`: nobody could tell. `none`: there is none. */
export type BoxState = 'first' | 'broken' | 'unseen' | 'none' | 'whole';

export interface Box {
  readonly title: string;
  readonly state: BoxState;
  /** At most two. */
  readonly lines: readonly string[];
  /** The first reason of it; '' where none is broken. */
  readonly reason: string;
}

/** Every link has its box, and each but one. */
export const BOXES: readonly { readonly title: string; readonly links: readonly Link[] }[] = [
  { title: 'Claim', links: ['claim'] },
  { title: 'PersistentVolume', links: ['persistent volume'] },
  { title: 'VolumeAttachment', links: ['volume attachment'] },
  { title: 'Image', links: ['image', 'snapshots'] },
  { title: 'Holder and watchers', links: ['holder record', 'image open at'] },
  { title: 'Node', links: ['node'] },
  { title: 'Device', links: ['journal', 'device', 'mounts'] },
  { title: 'Pod', links: ['sandbox', 'pod'] },
];

const LINES: Readonly<Record<string, (trace: VolumeTrace) => readonly string[]>> = {
  Claim: ({ claimName, claim, isClaimGone }) =>
    claimName === undefined ? [] : [claimName, isClaimGone ? 'gone' : (claim?.phase ?? '')],
  PersistentVolume: ({ pvName, pv }) => (pvName === undefined ? [] : [pvName, pv?.phase ?? 'gone']),
  VolumeAttachment: ({ attachments = [] }) =>
    attachments.map(({ node, attached, deletingSince }) => {
      const state = attached ? 'attached' : 'not attached';
      return `${node}: ${deletingSince === undefined ? state : 'to go'}`;
    }),
  Image: imageLines,
  'Holder and watchers': holderLines,
  Node: ({ facts }) =>
    [...new Map(facts.map(({ nodeName, node }) => [nodeName, node.view]))].map(
      ([name, view]) => `${name}: ${typeof view === 'string' ? view : view.ready === 'true' ? 'ready' : 'not ready'}`,
    ),
  Device: deviceLines,
  Pod: ({ pods = [] }) => pods.map(({ name, phase }) => `${name}: ${phase}`),
};

function imageLines({ handle, image, description }: VolumeTrace): readonly string[] {
  if (handle === undefined) return [];
  const name = handle.split('/').slice(1).join('/');
  if (image === 'absent') return [name, 'not in Ceph'];
  if (description === undefined) return [name];
  return [name, [sizeText(description.sizeBytes), description.content].filter((one) => one !== '').join(', ')];
}

function holderLines({ image }: VolumeTrace): readonly string[] {
  if (typeof image !== 'object' || 'error' in image) return [];
  const { holders, elsewhere, watchers = [] } = image;
  const held = [...holders, ...elsewhere].map(({ node }) => node);
  if (held.length + watchers.length === 0) return [];
  return [`held by ${held.join(', ') || 'nobody'}`, `open at ${watchers.join(', ') || 'no client'}`];
}

function deviceLines({ here }: VolumeTrace): readonly string[] {
  if (here?.kind === 'no node') return ['only its node sees it'];
  if (here?.kind !== 'staged') return [];
  const { mapping, state, handedTo } = here.entry;
  return [mapping?.device ?? (handedTo === undefined ? 'none' : `opened by ${handedTo}`), state];
}

export const chainBoxes = (trace: VolumeTrace): readonly Box[] =>
  BOXES.map(({ title, links }): Box => {
    const mine = trace.breaks.filter(({ link }) => links.includes(link));
    const all = (LINES[title]?.(trace) ?? []).filter((one) => one !== '');
    const lines = all.length > 2 ? [all[0] ?? '', `and ${all.length - 1} more`] : all;
    return { title, state: stateOf(trace, links, mine, all), lines, reason: mine[0]?.reason ?? '' };
  });

function stateOf(
  { breaks: [first], unseen, here }: VolumeTrace,
  links: readonly Link[],
  mine: readonly Break[],
  lines: readonly string[],
): BoxState {
  if (first !== undefined && mine[0] === first) return 'first';
  if (mine.length > 0) return 'broken';
  // A pod is seen without its sandbox, which only its node knows.
  if (unseen.some(({ link }) => links.includes(link) && link !== 'sandbox')) return 'unseen';
  if (links.includes('device') && here?.kind === 'no node') return 'unseen';
  return lines.length === 0 ? 'none' : 'whole';
}
