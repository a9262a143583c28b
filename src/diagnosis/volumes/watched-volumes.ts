/**
 * Every volume that the API knows, with its state, from watches and from what the last comparison found: what the page
 * lists. Neither the API nor a cluster is asked anything for it.
 */
import type { ApiAttachment, ApiVolume, Attachments } from '../../kube/volume-attachments.js';
import type { AttachmentFinding } from '../attachment/attachment-facts.js';
import { eachInSlices, sortInSlices } from './in-slices.js';

/**
 * `stuck`: the comparison of attachments names a reason. `failing`: the attacher was refused, and repeats it. Of the
 * API: `detaching`, `attaching`, `attached`. `free`: nobody has asked for it.
 */
export const WATCHED_STATES = ['stuck', 'failing', 'detaching', 'attaching', 'attached', 'free'] as const;
export type WatchedState = (typeof WATCHED_STATES)[number];

export interface WatchedVolume {
  /** `namespace/name`; undefined where it has none. */
  readonly claim: string | undefined;
  /** Undefined where only an image's record, or an attachment, names the volume. */
  readonly pv: string | undefined;
  /** The handle; undefined where only a PersistentVolume that has gone could tell. */
  readonly volume: string | undefined;
  readonly nodes: readonly string[];
  readonly state: WatchedState;
  /** Of what is stuck: its first reason. */
  readonly reason: AttachmentFinding['reason'] | undefined;
  /** Why it is stuck or fails; '' for all others. */
  readonly says: string;
}

export interface WatchedSources {
  readonly api: Pick<Attachments, 'all' | 'allVolumes'>;
  /** Of the last comparison of attachments. */
  readonly findings: readonly AttachmentFinding[];
}

/** Those that want somebody first, then by claim; those without a claim last. Others have their turn meanwhile. */
export async function watchedVolumes({ api, findings }: WatchedSources): Promise<readonly WatchedVolume[]> {
  const all = api.all();
  const seen: Seen = { attachments: new Map(), findings: new Map() };
  const uids = new Set<string>();
  await eachInSlices(all, (one) => {
    uids.add(one.uid);
    add(seen.attachments, keyOf(one), one);
  });
  for (const one of findings) {
    // What went since the last comparison is stuck no more.
    const isGone = one.attachment !== undefined && !uids.has(one.attachment.uid);
    if (!isGone)
      add(seen.findings, one.attachment === undefined ? `h ${one.volume ?? ''}` : keyOf(one.attachment), one);
  }
  const rows: WatchedVolume[] = [];
  await eachInSlices(api.allVolumes(), (volume) => {
    rows.push(rowOf(volume, seen));
  });
  // What is left names no PersistentVolume that is there.
  for (const key of new Set([...seen.attachments.keys(), ...seen.findings.keys()])) rows.push(rowWithout(key, seen));
  return sortInSlices(rows, inOrder);
}

/** By `p NAME` of a PersistentVolume or `h HANDLE`; what a row took is removed. */
interface Seen {
  readonly attachments: Map<string, readonly ApiAttachment[]>;
  readonly findings: Map<string, readonly AttachmentFinding[]>;
}

const keyOf = ({ pv, inlineHandle }: ApiAttachment): string =>
  inlineHandle === undefined ? `p ${pv ?? ''}` : `h ${inlineHandle}`;

function add<T>(found: Map<string, readonly T[]>, key: string, one: T): void {
  const present = found.get(key);
  found.set(key, present === undefined ? [one] : [...present, one]);
}

function take<T>(found: Map<string, readonly T[]>, key: string): readonly T[] {
  const taken = found.get(key) ?? NONE;
  found.delete(key);
  return taken;
}
const NONE: readonly never[] = [];

function rowOf({ name, handle, claim }: ApiVolume, seen: Seen): WatchedVolume {
  const [byName, byHandle] = [`p ${name}`, `h ${handle}`];
  const attachments = joined(take(seen.attachments, byName), take(seen.attachments, byHandle));
  const findings = joined(take(seen.findings, byName), take(seen.findings, byHandle));
  return { claim, pv: name, volume: handle, ...stateOf(attachments, findings) };
}

const joined = <T>(a: readonly T[], b: readonly T[]): readonly T[] => (b.length === 0 ? a : [...a, ...b]);

function rowWithout(key: string, seen: Seen): WatchedVolume {
  const findings = take(seen.findings, key);
  const name = key.slice(2);
  const isHandle = key.startsWith('h ');
  const volume = isHandle ? name : findings.find((one) => one.volume !== undefined)?.volume;
  return {
    claim: undefined,
    pv: isHandle ? undefined : name,
    volume,
    ...stateOf(take(seen.attachments, key), findings),
  };
}

/** What is wrong first, then what moves, then what is. */
function stateOf(
  attachments: readonly ApiAttachment[],
  findings: readonly AttachmentFinding[],
): Pick<WatchedVolume, 'nodes' | 'state' | 'reason' | 'says'> {
  const nodes = nodesOf(attachments, findings);
  const [first] = findings;
  if (first !== undefined) return { nodes, state: 'stuck', reason: first.reason, says: first.says };
  const says = attachments.find(({ error }) => error !== undefined)?.error ?? '';
  return { nodes, state: says === '' ? quietState(attachments) : 'failing', reason: undefined, says };
}

function quietState(attachments: readonly ApiAttachment[]): WatchedState {
  if (attachments.some(({ deletingSince }) => deletingSince !== undefined)) return 'detaching';
  if (attachments.some(({ attached }) => !attached)) return 'attaching';
  return attachments.length > 0 ? 'attached' : 'free';
}

function nodesOf(attachments: readonly ApiAttachment[], findings: readonly AttachmentFinding[]): readonly string[] {
  const all = [...attachments.map(({ node }) => node), ...findings.map(({ nodeName }) => nodeName)];
  return all.length < 2 ? all : [...new Set(all)].sort();
}

const isTrouble = ({ state }: WatchedVolume): boolean => state === 'stuck' || state === 'failing';

function inOrder(a: WatchedVolume, b: WatchedVolume): number {
  if (isTrouble(a) !== isTrouble(b)) return isTrouble(a) ? -1 : 1;
  return compare(a.claim ?? LAST, b.claim ?? LAST) || compare(nameOf(a), nameOf(b));
}

/** Behind every name of Kubernetes. */
const LAST = '\uFFFF';
const nameOf = ({ pv, volume }: WatchedVolume): string => pv ?? volume ?? '';
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
