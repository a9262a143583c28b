/** NodeUnpublish and NodeUnstage over small fakes: no cluster, no Kubernetes, no program of the machine. */
import { mkdir, mkdtemp, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { JournalEntry } from '../../../../src/journal/entry.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { berthError } from '../../../../src/model/errors.js';
import type { Mapper, Mapping } from '../../../../src/rbd/mapping/mapper.js';
import { KataRecords } from '../../../../src/sandbox/kata/kata-records.js';
import { unpublishVolume } from '../../../../src/volume/node/unpublish-volume.js';
import { unstageVolume } from '../../../../src/volume/node/unstage-volume.js';
import { Operations } from '../../../../src/volume/operation/operations.js';

const VOLUME = 'c1/rbd/v';
const soon = () => Deadline.after(5_000);
let directory: string;
let entry: JournalEntry;
let written: JournalEntry[];
const journal = {
  read: vi.fn<(volume: string) => Promise<JournalEntry | undefined>>(),
  note: vi.fn((next: JournalEntry) => Promise.resolve(void written.push(next))),
  forget: vi.fn(() => Promise.resolve()),
  setAside: vi.fn(() => Promise.resolve()),
};
const mapper = {
  unmap: vi.fn(() => Promise.resolve()),
  whyAwaitsServer: vi.fn<() => Promise<string | undefined>>(() => Promise.resolve(undefined)),
};
const mappers = {
  mappingOf: vi.fn<() => Promise<Mapping | undefined>>(),
  findUnrecorded: vi.fn<() => Promise<Mapping | undefined>>(),
  named: () => mapper as unknown as Mapper,
};
const giveBack = vi.fn<(entry: { readonly volume: string }, options: object) => Promise<boolean>>();
const look = () => Promise.resolve(undefined);
const parts = () => ({
  operations: new Operations(),
  journal,
  mappers,
  kataRecords: new KataRecords(path.join(directory, 'kata')),
  holderRecords: { giveBack, lookAhead: () => look },
  exec: () => Promise.reject(new Error('no program is needed')),
  log: { warn: vi.fn() },
  now: () => new Date('2026-01-01T00:00:00Z'),
});

beforeEach(async () => {
  directory = await realpath(await mkdtemp(path.join(tmpdir(), 'berth-leave-')));
  onTestFinished(() => rm(directory, { recursive: true }));
  vi.clearAllMocks();
  written = [];
  const target = path.join(directory, 'target');
  entry = {
    ...{ version: 1, volume: VOLUME, fsid: 'f', stagingPath: path.join(directory, 'staging'), state: 'staged' },
    ...{ mode: 'SINGLE_NODE_WRITER', access: 'block', readOnly: false, flagsDigest: '', mapper: 'krbd' },
    ...{ holdsRecord: true, targets: { [target]: { readOnly: false, mode: 'SINGLE_NODE_WRITER' } }, since: 'x' },
  };
  journal.read.mockResolvedValue(entry);
  mappers.mappingOf.mockResolvedValue(undefined);
  mappers.findUnrecorded.mockResolvedValue(undefined);
  giveBack.mockResolvedValue(true);
});

describe('NodeUnpublish', () => {
  const unpublish = (targetPath = path.join(directory, 'target')) =>
    unpublishVolume(parts(), { volume: VOLUME, targetPath }, soon());

  it('a target that is not mounted: its empty directory goes, and the journal forgets it', async () => {
    await mkdir(path.join(directory, 'target'));
    await unpublish();
    await expect(stat(path.join(directory, 'target'))).rejects.toThrow(/ENOENT/);
    expect(written).toEqual([{ ...entry, targets: {}, unpublished: '2026-01-01T00:00:00.000Z' }]);
  });

  it('a target that is not empty: its error is the answer, whatever the note beside it says', async () => {
    await mkdir(path.join(directory, 'target', 'of-somebody'), { recursive: true });
    await expect(unpublish()).rejects.toMatchObject({ code: 'BERTH_TARGET_OCCUPIED' });
    // Nothing of this volume is mounted there: the same call comes to the same end without the target in the journal.
    journal.read.mockResolvedValue(written.at(-1));
    await expect(unpublish()).rejects.toMatchObject({ code: 'BERTH_TARGET_OCCUPIED' });
  });

  it('the staging path: refused, for every pod stands on it', async () => {
    await expect(unpublish(entry.stagingPath)).rejects.toMatchObject({ code: 'BERTH_FIELD_INVALID' });
    expect(written).toEqual([]);
  });

  it('a damaged journal, nothing there: a success that writes nothing', async () => {
    journal.read.mockRejectedValue(berthError('BERTH_JOURNAL_UNREADABLE', { file: 'f', why: 'not JSON' }));
    await unpublish();
    expect(written).toEqual([]);
  });
});

describe('NodeUnstage', () => {
  const unstage = (stagingPath = entry.stagingPath, by = unstageVolume) =>
    by(parts(), { volume: VOLUME, stagingPath }, soon());

  /** Modules of their own: those of the worker, which other files may have loaded, know nothing of the mock. */
  async function withMount(): Promise<typeof unstageVolume> {
    const staging = '../../../../src/volume/node/filesystem/staging-mount.js';
    vi.resetModules();
    vi.doMock(staging, async (original) => ({
      ...(await original<object>()),
      isMountedFrom: () => Promise.resolve(true),
      isMountOf: () => Promise.resolve(true),
    }));
    onTestFinished(() => {
      vi.doUnmock(staging);
      vi.resetModules();
    });
    return (await import('../../../../src/volume/node/unstage-volume.js')).unstageVolume;
  }
  const mapping: Mapping = {
    ...{ mapper: 'krbd', device: '/dev/rbd7', readOnly: false },
    location: { fsid: 'f', pool: 'rbd', namespace: '', image: 'v' },
  };

  it('a disk that is slow to take the note: nothing is unmapped before it has', async () => {
    mappers.mappingOf.mockResolvedValue(mapping);
    let take = (): void => undefined;
    journal.note.mockReturnValueOnce(new Promise((resolve) => (take = () => resolve(undefined))));
    const unstaging = unstage();
    await vi.waitFor(() => expect(journal.note).toHaveBeenCalled());
    await new Promise((resolve) => setImmediate(resolve));
    expect(mapper.unmap).not.toHaveBeenCalled();
    take();
    await unstaging;
    expect(mapper.unmap).toHaveBeenCalled();
  });

  it('mapped: unmapped, the record given back, the journal forgets it', async () => {
    mappers.mappingOf.mockResolvedValue(mapping);
    await unstage();
    expect(mapper.unmap).toHaveBeenCalledWith(mapping, expect.anything());
    expect(written).toEqual([{ ...entry, state: 'unstaging' }]);
    expect(giveBack).toHaveBeenCalledExactlyOnceWith(entry, { look });
    expect(journal.forget).toHaveBeenCalledExactlyOnceWith(VOLUME);
  });

  it('mounted, and its daemon has died: refused, for an unmount would wait where nobody can end it', async () => {
    journal.read.mockResolvedValue({ ...entry, access: 'mount', mapper: 'nbd', targets: {} });
    mappers.mappingOf.mockResolvedValue(mapping);
    mapper.whyAwaitsServer.mockResolvedValueOnce('its rbd-nbd has died');
    const byMount = unstage(undefined, await withMount());
    await expect(byMount).rejects.toMatchObject({ code: 'BERTH_DEVICE_UNSERVED' });
    expect(written).toEqual([]);
    expect(mapper.unmap).not.toHaveBeenCalled();
  });

  it('cluster silent: answers all the same, and the journal keeps it as unstaging', async () => {
    giveBack.mockResolvedValue(false);
    await unstage();
    expect(written).toEqual([{ ...entry, state: 'unstaging' }]);
    expect(journal.forget).not.toHaveBeenCalled();
  });

  it('another path, where nothing of it is: done, and nothing is touched', async () => {
    mappers.mappingOf.mockResolvedValue(mapping);
    await unstage(path.join(directory, 'other'));
    expect(written).toEqual([]);
    expect(giveBack).not.toHaveBeenCalled();
    expect(mapper.unmap).not.toHaveBeenCalled();
  });

  it('another path, where it is mounted: refused, nothing is touched', async () => {
    mappers.mappingOf.mockResolvedValue(mapping);
    const other = unstage(path.join(directory, 'other'), await withMount());
    await expect(other).rejects.toMatchObject({ code: 'BERTH_VOLUME_NOT_AT_PATH' });
    expect(written).toEqual([]);
    expect(giveBack).not.toHaveBeenCalled();
  });

  it('a damaged journal, nothing mapped: the record given back, the entry set aside', async () => {
    journal.read.mockRejectedValue(berthError('BERTH_JOURNAL_UNREADABLE', { file: 'f', why: 'not JSON' }));
    await unstage();
    expect(giveBack).toHaveBeenCalledExactlyOnceWith({ volume: VOLUME }, {});
    expect(journal.setAside).toHaveBeenCalledExactlyOnceWith(VOLUME);
  });
});
