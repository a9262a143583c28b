/** A publish whose place on this node is known and allowed: what host and guest each go on from. */
import type { JournalEntry } from '../../journal/entry.js';
import type { Capability } from '../../model/capability.js';
import type { Mapping } from '../../rbd/mapping/mapper.js';
import type { Credentials } from '../image/find-volume.js';
import type { Targets } from './published-targets.js';

export interface Publishing {
  readonly entry: JournalEntry;
  readonly mapping: Mapping;
  readonly live: Targets;
  readonly targetPath: string;
  /** As the orchestrator spelled it. */
  readonly askedPath: string;
  readonly capability: Capability;
  readonly readOnly: boolean;
  readonly secrets: Credentials | undefined;
}
