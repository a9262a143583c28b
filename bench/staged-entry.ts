/** A journal entry of a volume that is staged for the host, as the figures need one. */
import type { JournalEntry } from '../src/journal/entry.js';

type Given = Pick<JournalEntry, 'volume' | 'fsid' | 'stagingPath' | 'mapper' | 'targets'>;

export const stagedEntry = (given: Given): JournalEntry => ({
  version: 1,
  state: 'staged',
  mode: 'SINGLE_NODE_WRITER',
  access: 'mount',
  readOnly: false,
  fsType: 'ext4',
  flagsDigest: '',
  holdsRecord: false,
  since: new Date().toISOString(),
  ...given,
});
