/**
 * The record of a fence: which client instance may not write any more, for which volumes that was decided, and whether
 * it is still needed. Pure functions; what it says in the cluster is {@link Fences}' affair.
 */
import { hasIdentity, type RecordedNode } from './node-identity.js';
import type { NodeRegistration } from './node-registry.js';

/** A volume for which its client was fenced, and what was known then. */
export interface FencedVolume {
  readonly volume: string;
  /** ISO 8601, by the controller's clock. */
  readonly since: string;
  /**
   * The last that the node had said before, by its own clock: a registration, or that it staged the volume; absent
   * where it had not.
   */
  readonly heard?: string;
  readonly evidence: string;
}

/**
 * `volume`, `since` and `evidence` are of the volume for which it was made last. `heard` is the latest of all its
 * volumes.
 */
export interface Fence extends FencedVolume, RecordedNode {
  readonly version: 1;
  readonly instance: string;
  readonly client: string;
  readonly bootId?: string;
  /** The other volumes for which it was made, the latest first: one client may have many images open. */
  readonly also?: readonly FencedVolume[];
  /**
   * The cluster was seen to have it. Until then it is an intent, which nobody but the detach that decided it may carry
   * out: its node may be well again. Another volume's intent does not undo it.
   */
  readonly made: boolean;
  /**
   * Since when and why nobody needs it any more (ISO 8601, by the controller's clock). It is not renewed then, and
   * stays on the blocklist until it lapses there.
   */
  readonly done?: { readonly at: string; readonly why: string };
}

/**
 * What the record of an instance says once it is to be fenced for one more volume. `isListed`: the cluster has it on
 * its blocklist now. What is made stays made, unless it was done with and has lapsed.
 */
export function addVolume(present: Fence | undefined, wanted: Fence, isListed: boolean): Fence {
  if (present === undefined) return wanted;
  const also = [volumeOf(present), ...(present.also ?? [])].filter(({ volume }) => volume !== wanted.volume);
  const heard = latest(present.heard, wanted.heard);
  return {
    ...wanted,
    ...(heard === undefined ? {} : { heard }),
    ...(also.length === 0 ? {} : { also }),
    made: present.made && (present.done === undefined || isListed),
  };
}

function volumeOf({ volume, since, heard, evidence }: Fence): FencedVolume {
  return { volume, since, ...(heard === undefined ? {} : { heard }), evidence };
}

/** Of times as ISO 8601; undefined where there is none. */
export function latest(...times: readonly (string | undefined)[]): string | undefined {
  return times.filter((time) => time !== undefined).sort((a, b) => Date.parse(b) - Date.parse(a))[0];
}

/**
 * Why a fence has done its work; undefined while it has not. The node must have spoken since: with another boot the
 * fenced client has died with its kernel, and with a list of its clients that lacks it nothing is left that it could
 * write from. Another machine's word is not heard here, where machines are known. By name alone it may be, so this is
 * reason enough to look after the fence no longer, and none to let the client in.
 */
export function whyDone(fence: Fence, registration: NodeRegistration | undefined): string | undefined {
  // Two times of the node's own clock where there are two: it may be wrong, but not against itself.
  if (registration === undefined || !(Date.parse(registration.seen) > Date.parse(fence.heard ?? fence.since)))
    return undefined;
  const { bootId, clients, seen } = registration;
  if (fence.bootId !== undefined && bootId !== fence.bootId)
    return `its node is back with boot ${bootId}, seen ${seen}`;
  if (clients?.includes(fence.instance) === false) return `its node has let go of that client, seen ${seen}`;
  return undefined;
}

/** Undefined for what a later Berth wrote, or what is no record of this instance. */
export function parseFence(instance: string, text: string): Fence | undefined {
  try {
    const fence = JSON.parse(text) as Partial<Fence> | null;
    const texts = [fence?.instance, fence?.volume, fence?.since];
    const isOurs = fence?.version === 1 && hasIdentity(fence) && texts.every((one) => typeof one === 'string');
    return isOurs && fence.instance === instance ? (fence as Fence) : undefined;
  } catch {
    return undefined;
  }
}
