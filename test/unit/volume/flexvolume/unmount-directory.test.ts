/** An unmount is told a directory alone, and is one operation that the same call joins at any moment. */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import type { JournalEntry } from '../../../../src/journal/entry.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { berthError } from '../../../../src/model/errors.js';
import { unmountDirectory, type UnmountParts } from '../../../../src/volume/flexvolume/unmount-directory.js';
import { Operations } from '../../../../src/volume/operation/operations.js';
import { entry, VOLUME } from '../../reconcile/node-facts-fixture.js';

const soon = (): Deadline => Deadline.after(10_000);
let directory: string;
let entries: JournalEntry[];
let parts: UnmountParts;
const unpublish = vi.fn<UnmountParts['acts']['unpublish']>();
const unstage = vi.fn<UnmountParts['acts']['unstage']>();
const reclaim = vi.fn<UnmountParts['reclaim']>();

/** What an act was asked for, call by call. */
const askedOf = ({ mock }: { readonly mock: { readonly calls: readonly (readonly unknown[])[] } }) =>
  mock.calls.map(([asked]) => asked);

const published = (other: Partial<JournalEntry> = {}): JournalEntry =>
  entry({
    stagingPath: '/own',
    withPods: true,
    targets: { [directory]: { readOnly: false, mode: 'SINGLE_NODE_WRITER' } },
    ...other,
  });

beforeEach(async () => {
  directory = await realpath(await mkdtemp(path.join(tmpdir(), 'berth-unmount-')));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  entries = [published()];
  for (const one of [unpublish, unstage, reclaim]) one.mockReset().mockResolvedValue();
  unpublish.mockImplementation(({ targetPath }) => {
    entries = entries.map(({ targets, ...one }) => ({
      ...one,
      targets: Object.fromEntries(Object.entries(targets).filter(([at]) => at !== targetPath)),
    }));
    return Promise.resolve();
  });
  parts = {
    operations: new Operations(),
    journal: {
      all: () => Promise.resolve({ entries, unreadable: [] }),
      read: () => Promise.resolve(entries[0]),
    },
    acts: { unpublish, unstage },
    reclaim,
    mappers: { all: [] },
    clusters: { all: () => Promise.resolve([]) },
    stagingRoot: '/kubelet/flexvolume',
  };
});

const unmount = () => unmountDirectory(parts, directory, soon());

it('unpublishes, and unstages what was staged for pods with the last of them', async () => {
  await unmount();
  expect(askedOf(unpublish)).toMatchObject([{ volume: VOLUME, targetPath: directory }]);
  expect(askedOf(unstage)).toMatchObject([{ volume: VOLUME, stagingPath: '/own' }]);
});

it('is joined by the same call while it unstages, when no entry names the directory any more', async () => {
  let breakOff: (error: Error) => void = () => undefined;
  unstage.mockReturnValueOnce(new Promise((_, reject) => (breakOff = reject)));
  const first = unmount();
  await expect.poll(() => unstage.mock.calls.length).toBe(1);
  const join = vi.spyOn(parts.operations, 'join');
  const second = unmount();
  await expect.poll(() => join.mock.calls.length).toBe(1);
  breakOff(berthError('BERTH_UNMAP_BUSY', { device: '/dev/rbd0', image: 'i', who: 'x' }));
  const code = 'BERTH_UNMAP_BUSY';
  expect(await Promise.allSettled([first, second])).toMatchObject([{ reason: { code } }, { reason: { code } }]);
  expect(unpublish).toHaveBeenCalledTimes(1);
});

it.each([
  ['another pod has', { '/other': { readOnly: false, mode: 'SINGLE_NODE_WRITER' } } as const, true],
  ['somebody staged', {}, false],
])('leaves staged what %s', async (_what, more, isOwn) => {
  const { withPods, targets, ...one } = published();
  entries = [{ ...one, targets: { ...targets, ...more }, ...(isOwn && withPods ? { withPods } : {}) }];
  await unmount();
  expect(unpublish).toHaveBeenCalledTimes(1);
  expect(unstage).not.toHaveBeenCalled();
});

it('ends well where somebody uses the volume in the meantime', async () => {
  unstage.mockRejectedValue(berthError('BERTH_VOLUME_IN_USE', { volume: VOLUME, who: 'x' }));
  await unmount();
});

it('unstages a staging path, and reclaims what was handed over', async () => {
  entries = [published({ stagingPath: directory, targets: {} })];
  await unmount();
  expect(askedOf(unstage)).toMatchObject([{ stagingPath: directory }]);
  entries = [published({ stagingPath: directory, targets: {}, handedTo: 'hyperd' })];
  await unmount();
  expect(askedOf(reclaim)).toMatchObject([{ volume: VOLUME, directory }]);
  expect(unpublish).not.toHaveBeenCalled();
});

it('is done where nothing is there', async () => {
  entries = [];
  await unmount();
  for (const act of [unpublish, unstage, reclaim]) expect(act).not.toHaveBeenCalled();
});
