/** What fencing stands on, wired once in main. */
import type { FencingPolicy } from '../../attachment/decide-detach.js';
import type { Fences } from '../../attachment/fences.js';
import type { Announce, NodeStates } from '../../attachment/node-state.js';
import type { Counters } from '../../observe/metrics.js';

export interface Fencing {
  readonly policy: FencingPolicy;
  /** How long a node has to be silent before it may count as lost, ms. */
  readonly lostAfterMs: number;
  readonly fences: Fences;
  readonly nodeStates: NodeStates;
  readonly announce: Announce;
  readonly counters: Counters;
}
