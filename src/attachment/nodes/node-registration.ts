/** What a node says of itself in the registry, and under which keys. */
import { hasIdentity, type RecordedNode } from '../node-identity.js';

export interface NodeRegistration extends RecordedNode {
  readonly version: 1;
  /** /proc/sys/kernel/random/boot_id: another one means that every mapping of before is gone. */
  readonly bootId: string;
  /** Version of Berth on that node. */
  readonly driver: string;
  /** Mappers that can work there, best first. */
  readonly mappers: readonly string[];
  /** ISO 8601, refreshed by the node while it runs. */
  readonly seen: string;
  /**
   * Addresses of all client instances by which it has images of this cluster open; absent where it cannot tell them
   * all, and from nodes that never did. A fenced instance that is missing here is not in use any more.
   */
  readonly clients?: readonly string[];
  /** In the object of an earlier Berth: the node's own word stands in another one ({@link nodesObjectOf}). */
  readonly elsewhere?: true;
}

/** The machine that bears the name first, then this very machine, then the bare name. */
export function keysOf({ node, installation, machine }: RecordedNode): readonly string[] {
  if (installation === undefined) return [node];
  const name = `${encodeURIComponent(installation)}/${encodeURIComponent(node)}`;
  return [name, ...(machine === undefined ? [] : [`${name}/${encodeURIComponent(machine)}`]), node];
}

/** Undefined for what cannot be understood, as if nobody had said it. */
export function parseRegistration(text: string): NodeRegistration | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const one = value as Partial<NodeRegistration> | null;
  if (one === null || !hasIdentity(one)) return undefined;
  if (typeof one.bootId !== 'string' || typeof one.seen !== 'string') return undefined;
  const { clients, ...rest } = one;
  const isList = Array.isArray(clients) && clients.every((client) => typeof client === 'string');
  return { ...rest, ...(isList ? { clients } : {}) } as NodeRegistration;
}
