/** Reconciliation of one node: what it reads, and what it may do to a volume. */
import { DRIVER_NAME } from '../csi/identity-service.js';
import type { Options } from '../options/options.js';
import { NodeGatherer } from '../reconcile/gather-node.js';
import { NodeReconciler } from '../reconcile/node-reconciler.js';
import type { NodeParts } from './node-parts.js';
import { removeOrphanedDirectory } from '../volume/node/recovery/orphaned-directory.js';
import { dropMapping } from '../volume/node/recovery/drop-mapping.js';
import { forgetEntry } from '../volume/node/recovery/forget-entry.js';
import { reattachEntry } from '../volume/node/recovery/reattach-entry.js';
import { returnRecord } from '../volume/node/recovery/return-records.js';
import { takeDownEntry } from '../volume/node/recovery/take-down-entry.js';
import { takeDownRevoked } from '../volume/node/recovery/revoked-volumes.js';

/** Not started yet. */
export function makeNodeReconciler(
  node: NodeParts,
  { kubeletDirectory, reconcileInterval, leftoverAge }: Options,
): NodeReconciler {
  const gatherer = new NodeGatherer(node, { kubeletDirectory, driver: DRIVER_NAME, ageMs: leftoverAge * 1000 });
  return new NodeReconciler(
    {
      gather: (deadline) => gatherer.gather(deadline),
      takeDownRevoked: (stopped) => takeDownRevoked(node, stopped),
      acts: {
        takeDown: (entry, deadline) => takeDownEntry(node, entry, deadline),
        forget: (entry, deadline) => forgetEntry(node, entry, deadline),
        returnRecord: (entry, deadline) => returnRecord(node, entry, deadline),
        reattach: (entry, deadline) => reattachEntry(node, entry, deadline),
        drop: (mapping, volume, deadline) => dropMapping(node, mapping, volume, deadline),
        removeDirectory: (leftover, deadline) => removeOrphanedDirectory(node, leftover, deadline),
      },
      log: node.log,
    },
    { driver: DRIVER_NAME, everyMs: reconcileInterval * 1000 },
  );
}
