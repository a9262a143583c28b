/**
 * In which RADOS objects nodes are registered: spread over several, so that none is written more than a few times a
 * second by thousands of nodes.
 */
import { createHash } from 'node:crypto';

/** Where an earlier Berth has all nodes; read on, and written for its controllers for a while (earlier-lines.ts). */
export const EARLIER_NODES_OBJECT = 'berth.nodes';

/** 2,000 nodes that speak every 30 s or so write each of them twice a second. The number never changes. */
const SHARDS = 32;
const shard = (index: number): string => `${EARLIER_NODES_OBJECT}.${String(index).padStart(2, '0')}`;

/** All of them. */
export const NODES_OBJECTS: readonly string[] = [
  ...Array.from({ length: SHARDS }, (_, index) => shard(index)),
  EARLIER_NODES_OBJECT,
];

/** The one of a node's name, whosever it is: all lines of one name are read in one operation. */
export const nodesObjectOf = (node: string): string =>
  shard((createHash('sha256').update(node).digest()[0] ?? 0) % SHARDS);
