/** What the kernel shows of a staged filesystem, as trace and the node plugin's own words read it alike. */
import { expect, it } from 'vitest';
import { traceSubject } from '../../../../src/diagnosis/trace/trace-subject.js';
import type { JournalEntry } from '../../../../src/journal/entry.js';
import { traceFixture } from '../../../kube/trace-fixture.js';
import { mountedWith } from './ceph-breaks.js';

const at = traceFixture();
const breaks = async (): Promise<string[]> => {
  const found = await traceSubject(at.parts(), 'shop/data');
  return found.traces[0]!.breaks.map(({ reason, says }) => `${reason}: ${says}`);
};

it.each<[string, string[], Partial<JournalEntry>]>([
  ['ext4 has stopped after errors', ['rw', 'emergency_ro'], {}],
  ['it has stopped, and is mounted read-only on purpose', ['ro', 'shutdown'], { readOnly: true }],
])('a filesystem of which the kernel says that %s is told as one that stopped', async (_, options, entry) => {
  mountedWith(at, options, entry);
  expect(await breaks()).toEqual([
    expect.stringMatching(/^MountedReadOnly: c1\/rbd\/berth-v is staged at \/staging, and its ext4 .*delete the pods/),
  ]);
});

it('a filesystem that is read-only on purpose is whole', async () => {
  mountedWith(at, ['ro'], { readOnly: true });
  expect(await breaks()).toEqual([]);
});

it('a filesystem that is being mended is not mounted, and that is no break', async () => {
  await at.journal({ access: 'mount', fsType: 'ext4', mending: true });
  expect(await breaks()).toEqual([]);
});
