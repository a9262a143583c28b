/** What an orchestrator knows of a node, as fencing asks for it; without an orchestrator nothing is known. */
import type { Deadline } from '../model/deadline.js';

export interface NodeState {
  /**
   * status.nodeInfo.bootID: another than the recorded one means that the holder's mappings died with the old kernel.
   */
  readonly bootId: string | undefined;
  /** The Ready condition: 'true', 'false' or 'unknown' (kubelet has not reported for node-monitor-grace-period). */
  readonly ready: 'true' | 'false' | 'unknown';
  /** lastTransitionTime of Ready, ISO 8601, where it is not 'true'. */
  readonly notReadySince: string | undefined;
  /** Does it carry the taint node.kubernetes.io/out-of-service (a person's word that it is powered off or isolated)? */
  readonly outOfService: boolean;
}

/**
 * 'absent': the API answered and there is no such node. 'unknown': nobody to ask, or no answer in time; never taken for
 * gone.
 */
export type NodeStateAnswer = NodeState | 'absent' | 'unknown';

export interface NodeStates {
  of(node: string, deadline: Deadline): Promise<NodeStateAnswer>;
}

export const NO_NODE_STATES: NodeStates = { of: () => Promise.resolve('unknown') };

/** Says something to people where they look: an Event in Kubernetes beside the log line. Never fails its caller. */
export interface Announcement {
  readonly kind: 'Normal' | 'Warning';
  /** CamelCase, stable, for machines: NodeFenced, NodeUnfenced, DetachWaits, ... */
  readonly reason: string;
  readonly message: string;
  readonly about: { readonly volume?: string; readonly node?: string };
}

export type Announce = (what: Announcement) => void;
