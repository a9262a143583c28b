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
  const seen: Seen = { attachments: nothingNamed(), findings: nothingNamed() };
  const compared = new Set(findings.map(({ attachment }) => attachment?.uid));
  const present = new Set<string>();
  await eachInSlices(api.all(), (one) => {
    if (compared.has(one.uid)) present.add(one.uid);
    add(seen.attachments, one, one);
  });
  for (const one of findings) {
    const { attachment, volume } = one;
    // What went since the last comparison is stuck no more.
    const isGone = attachment !== undefined && !present.has(attachment.uid);
    if (!isGone) add(seen.findings, attachment ?? { pv: undefined, inlineHandle: volume ?? '' }, one);
  }
  const rows: WatchedVolume[] = [];
  await eachInSlices(api.allVolumes(), (volume) => {
    rows.push(rowOf(volume, seen));
  });
  return sortInSlices([...rows, ...rowsWithout(seen)], inOrder);
}

/** By name of a PersistentVolume, or by handle: maps of their own, for a key made of both costs more than the rest. */
interface Named<T> {
  readonly byPv: Map<string, readonly T[]>;
  readonly byHandle: Map<string, readonly T[]>;
}

interface Seen {
  readonly attachments: Named<ApiAttachment>;
  readonly findings: Named<AttachmentFinding>;
}

const nothingNamed = <T>(): Named<T> => ({ byPv: new Map(), byHandle: new Map() });

function add<T>({ byPv, byHandle }: Named<T>, at: Pick<ApiAttachment, 'pv' | 'inlineHandle'>, one: T): void {
  const [found, key] = at.inlineHandle === undefined ? [byPv, at.pv ?? ''] : [byHandle, at.inlineHandle];
  const present = found.get(key);
  found.set(key, present === undefined ? [one] : [...present, one]);
}

/** What a row took stays there as nothing: a map that shrinks is built anew, again and again. */
function take<T>(found: Map<string, readonly T[]>, key: string): readonly T[] {
  const taken = found.get(key) ?? NONE;
  if (taken.length > 0) found.set(key, NONE);
  return taken;
}
const NONE: readonly never[] = [];

/** Keys of what no row took. */
function left(...all: readonly ReadonlyMap<string, readonly unknown[]>[]): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const found of all) for (const [key, { length }] of found) if (length > 0) keys.add(key);
  return keys;
}

function rowOf({ name, handle, claim }: ApiVolume, { attachments, findings }: Seen): WatchedVolume {
  const mine = joined(take(attachments.byPv, name), take(attachments.byHandle, handle));
  const told = joined(take(findings.byPv, name), take(findings.byHandle, handle));
  return { claim, pv: name, volume: handle, ...stateOf(mine, told) };
}

const joined = <T>(a: readonly T[], b: readonly T[]): readonly T[] => (b.length === 0 ? a : [...a, ...b]);

/** What no row took names no PersistentVolume that is there. */
function rowsWithout({ attachments, findings }: Seen): readonly WatchedVolume[] {
  const named = [...left(attachments.byPv, findings.byPv)].map((pv): WatchedVolume => {
    const told = take(findings.byPv, pv);
    const volume = told.find((one) => one.volume !== undefined)?.volume;
    return { claim: undefined, pv, volume, ...stateOf(take(attachments.byPv, pv), told) };
  });
  const inline = [...left(attachments.byHandle, findings.byHandle)].map((volume): WatchedVolume => {
    const state = stateOf(take(attachments.byHandle, volume), take(findings.byHandle, volume));
    return { claim: undefined, pv: undefined, volume, ...state };
  });
  return [...named, ...inline];
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
  const all = attachments.map(({ node }) => node);
  if (findings.length > 0) all.push(...findings.map(({ nodeName }) => nodeName));
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
const compare = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);
