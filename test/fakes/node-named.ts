/** A node of which nothing is known but its name, as records of an earlier Berth have it. */
import type { NodeIdentity } from '../../src/attachment/node-identity.js';

export const nodeNamed = (node: string): NodeIdentity => ({ node, installation: undefined, machine: undefined });
