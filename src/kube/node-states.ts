/** What the API says of a node, asked anew each time: a fence must not rest on a copy that is minutes old. */
import type { NodeState, NodeStates, NodeStateAnswer } from '../attachment/node-state.js';
import type { Deadline } from '../model/deadline.js';
import type { Logger } from '../observe/log.js';
import type { KubeApi } from './api.js';
import { NODES, type KubeNode } from './objects.js';

/** A person's word that the node is powered off or isolated (Kubernetes, non-graceful node shutdown). */
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';
/** What one question may take, in ms, whatever the caller has: no answer is an answer here. */
const ASK_MS = 10_000;

/** 'absent' only where the API server itself said so; every other failure is 'unknown' and logged. */
export function nodeStates(api: KubeApi, log: Logger): NodeStates {
  return {
    async of(node: string, deadline: Deadline): Promise<NodeStateAnswer> {
      if (node === '') return 'unknown';
      try {
        const found = await api.get<KubeNode>(NODES, node, deadline.within(ASK_MS));
        return found === undefined ? 'absent' : stateOf(found);
      } catch (error) {
        log.warn({ node, err: error }, 'the state of a node is not known');
        return 'unknown';
      }
    },
  };
}

export function stateOf({ spec, status }: KubeNode): NodeState {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const word = ready?.status.toLowerCase();
  const isKnown = word === 'true' || word === 'false';
  return {
    bootId: status?.nodeInfo?.bootID,
    ready: isKnown ? word : 'unknown',
    notReadySince: word === 'true' ? undefined : ready?.lastTransitionTime,
    outOfService: (spec?.taints ?? []).some(({ key }) => key === OUT_OF_SERVICE),
  };
}
