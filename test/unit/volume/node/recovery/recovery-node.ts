/**
 * What recovery touches, with a real journal and real operations in a directory of the test, and one mapper that the
 * test scripts.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { Journal } from '../../../../../src/journal/journal.js';
import { HolderRecords } from '../../../../../src/attachment/holder-records.js';
import type { Clusters } from '../../../../../src/rbd/clusters.js';
import type { Mapper, Mapping } from '../../../../../src/rbd/mapping/mapper.js';
import { NodeHolderRecords } from '../../../../../src/volume/node/node-holder-records.js';
import { Mappers } from '../../../../../src/volume/node/node-mappers.js';
import type { DropParts } from '../../../../../src/volume/node/recovery/drop-mapping.js';
import type { ForgetParts } from '../../../../../src/volume/node/recovery/forget-entry.js';
import type { OrphanedDirectoryParts } from '../../../../../src/volume/node/recovery/orphaned-directory.js';
import type { PendingRecordsParts } from '../../../../../src/volume/node/recovery/return-records.js';
import type { TakeDownEntryParts } from '../../../../../src/volume/node/recovery/take-down-entry.js';
import { MemoryRbd } from '../../../../fakes/rbd-memory.js';
import { KataRecords } from '../../../../../src/sandbox/kata/kata-records.js';
import type { NodeSteps } from '../../../../../src/volume/operation/steps.js';
import { Operations } from '../../../../../src/volume/operation/operations.js';
import { nodeNamed } from '../../../../fakes/node-named.js';
import { Installation } from '../../../../../src/attachment/node-identity.js';

type Recovery = TakeDownEntryParts & ForgetParts & DropParts & PendingRecordsParts & OrphanedDirectoryParts;

export interface RecoveryNode {
  readonly directory: string;
  readonly parts: Recovery & { readonly journal: Journal };
  /** What the kernel has; unmapping takes it away. */
  readonly mappings: Mapping[];
}

export async function recoveryNode(): Promise<RecoveryNode> {
  const directory = await mkdtemp(path.join(tmpdir(), 'berth-reconcile-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const journal = new Journal(path.join(directory, 'journal'));
  await journal.open();
  const mappings: Mapping[] = [];
  const mapper = {
    name: 'krbd',
    whyNot: () => Promise.resolve(undefined),
    find: ({ image }: Mapping['location']) => Promise.resolve(mappings.find((one) => one.location.image === image)),
    list: () => Promise.resolve(mappings),
    unmap: ({ device }: Mapping) => {
      mappings.splice(mappings.findIndex((one) => one.device === device) >>> 0, 1);
      return Promise.resolve();
    },
  } as unknown as Mapper;
  const choose = () => Promise.resolve(mapper);
  const clusters = { all: () => Promise.reject(new Error('no cluster is needed')) } as unknown as Clusters;
  const log = pino({ level: 'silent' });
  const cluster = { rbd: new MemoryRbd(), records: new HolderRecords(new MemoryRbd()) };
  const parts = {
    self: nodeNamed('n1'),
    journal,
    operations: new Operations<NodeSteps>(),
    log,
    clusters,
    rbd: cluster.rbd,
    kataRecords: new KataRecords(path.join(directory, 'kata')),
    mappers: new Mappers({ all: [mapper], choose, journal }),
    holderRecords: new NodeHolderRecords({
      self: nodeNamed('n1'),
      installation: new Installation(),
      bootId: 'b1',
      clusters,
      log,
      ...cluster,
    }),
    exec: () => Promise.reject(new Error('no program is needed')),
    stillGuests: () => Promise.resolve([]),
  };
  return { directory, parts, mappings };
}
