/**
 * The order of test files: the longest first, so that no worker ends with a long file when the others have nothing left
 * to do. Files with guests (QEMU), which keep a core busy, stand apart so that two of them seldom run at once.
 */
import path from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const LONGEST = [
  'integration/rbd/librbd',
  'integration/flexvolume/guest',
  'integration/csi/restore',
  'integration/reconcile/leftovers',
  'integration/crash/hand-over',
  'integration/crash/stage',
  'integration/csi/restart',
  'integration/fencing/fencing',
  'integration/csi/growth-cut',
  'integration/kata/guest',
  'integration/csi/unreachable',
  'integration/csi/health',
  'integration/csi/interrupted-delete',
  'integration/csi/purge',
  'integration/install/install',
  'integration/fencing/return',
  'integration/csi/restore-elsewhere',
  'integration/flexvolume/sequences',
  'integration/csi/foreign-client',
  'integration/csi/conformance-snapshot',
  'integration/crash/publish-expand-leave',
  'integration/flexvolume/hyperd',
  'integration/rbd/loop-mapper',
  'integration/node/journal',
  'integration/csi/snapshot-metadata',
  'integration/csi/flatten',
  'integration/dev/dev',
  'integration/node/model',
  'integration/kata/volume',
  'integration/csi/stopped-filesystem',
  'integration/crash/snapshot',
  'integration/dev/cluster',
  'integration/csi/garbage',
  'integration/node/many',
  'integration/csi/expand',
  'integration/flexvolume/left-staged',
  'integration/dev/users',
  'unit/rbd/mapping/krbd/krbd-mapper',
  'unit/flexvolume/binary',
  'unit/rbd/mapping/nbd/nbd-mapper',
];

/** The smaller, the earlier. */
function turnOf({ moduleId }: TestSpecification): number {
  const name = path.relative('test', moduleId).replace(/\.test\.ts$/, '');
  const turn = LONGEST.indexOf(name);
  return turn === -1 ? LONGEST.length : turn;
}

const groupOf = ({ project }: TestSpecification): number => project.config.sequence.groupOrder;

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.sort((a, b) => groupOf(a) - groupOf(b) || turnOf(a) - turnOf(b));
  }
}
