/**
 * Records come and go whole: a reader at any moment finds all of one or nothing, and a full disk leaves nothing half.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { run } from '../../../../src/host/process/exec.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { mountInfoOf, recordName, type MountInfo } from '../../../../src/sandbox/kata/kata-record.js';
import { KataRecords, MOUNT_INFO } from '../../../../src/sandbox/kata/kata-records.js';
import { noteSandbox } from '../../../../src/dev/guest/kata-runtimes.js';

const AT = '/pods/p1/mount';
const info = (device = '/dev/rbd0'): MountInfo =>
  mountInfoOf({ volume: 'dev/hyper/a', device, fsType: 'ext4', readOnly: false, flags: [], group: '' });

let records: KataRecords;
const place = (): string => path.join(records.directory, recordName(AT));

beforeEach(async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'berth-records-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  records = new KataRecords(path.join(directory, 'direct-volumes'));
});

describe('a record', () => {
  it('is one file that only root reads, in a directory that only root enters', async () => {
    await records.write(AT, info());
    expect(await readdir(records.directory)).toEqual([recordName(AT)]);
    expect(await readdir(place())).toEqual([MOUNT_INFO]);
    expect((await stat(place())).mode & 0o777).toBe(0o700);
    expect((await stat(path.join(place(), MOUNT_INFO))).mode & 0o777).toBe(0o600);
    expect(await records.read(AT)).toEqual({ path: AT, info: info() });
  });

  it('that is there already is left as it is, with the sandbox that took it', async () => {
    await records.write(AT, info());
    noteSandbox(records.directory, AT, 'sandbox-1');
    const before = await stat(path.join(place(), MOUNT_INFO));
    await records.write(AT, info());
    expect((await stat(path.join(place(), MOUNT_INFO))).ino).toBe(before.ino);
    expect(await records.sandboxOf(AT)).toBe('sandbox-1');
  });

  it('that says something else is replaced in one step, and keeps the sandbox’ file', async () => {
    await records.write(AT, info('/dev/rbd0'));
    noteSandbox(records.directory, AT, 'sandbox-1');
    await records.write(AT, info('/dev/rbd1'));
    expect((await records.read(AT))?.info?.device).toBe('/dev/rbd1');
    expect((await readdir(place())).sort()).toEqual([MOUNT_INFO, 'sandbox-1'].sort());
    expect(await readdir(records.directory)).toEqual([recordName(AT)]);
  });

  it('goes with the sandbox’ file, and is gone twice', async () => {
    await records.write(AT, info());
    noteSandbox(records.directory, AT, 'sandbox-1');
    await records.remove(AT);
    await records.remove(AT);
    expect(await readdir(records.directory)).toEqual([]);
    expect(await records.read(AT)).toBeUndefined();
  });

  it('of somebody else is found, as what a runtime would make of it', async () => {
    await records.write(AT, info());
    const other = path.join(records.directory, recordName('/pods/p2/mount'));
    await mkdir(other);
    await writeFile(path.join(other, MOUNT_INFO), '{}');
    const found = [...(await records.all())].sort((a, b) => a.path.localeCompare(b.path));
    expect(found).toEqual([
      { path: AT, info: info() },
      { path: '/pods/p2/mount', info: undefined },
    ]);
  });
});

it('a crash’s draft is swept at start, and nothing else', async () => {
  await records.write(AT, info());
  const draft = path.join(records.directory, '.berth-0123');
  await mkdir(draft);
  await writeFile(path.join(draft, MOUNT_INFO), '{');
  await records.sweep();
  expect(await readdir(records.directory)).toEqual([recordName(AT)]);
});

it('of a path that is too long for any there is none, and none to take away', async () => {
  const long = `/${'x'.repeat(189)}`;
  await expect(records.write(long, info())).rejects.toMatchObject({ code: 'BERTH_FIELD_INVALID' });
  expect(await records.read(long)).toBeUndefined();
  await records.remove(long);
});

it('without a directory of records there are none, and none to take away', async () => {
  expect(await records.all()).toEqual([]);
  await records.sweep();
  await records.remove(AT);
});

it('a reader at any moment finds all of a record or nothing of it', async () => {
  const seen = new Set<string>();
  const reading = new AbortController();
  const reader = (async () => {
    while (!reading.signal.aborted)
      seen.add(await readFile(path.join(place(), MOUNT_INFO), 'utf8').catch(() => 'none'));
  })();
  for (let round = 0; round < 400; round += 1) {
    await records.write(AT, info('/dev/rbd0'));
    await records.write(AT, info('/dev/rbd1'));
    await records.remove(AT);
  }
  reading.abort();
  await reader;
  const complete = ['none', JSON.stringify(info('/dev/rbd0')), JSON.stringify(info('/dev/rbd1'))];
  expect([...seen].filter((text) => !complete.includes(text))).toEqual([]);
  expect(seen.size).toBeGreaterThan(1);
});

describe('a full /run', () => {
  const soon = (): Deadline => Deadline.after(10_000);
  it('is an error that says so, and nothing half is left', async () => {
    const full = path.join(records.directory, '..', 'full');
    await mkdir(full);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'berth-test', full], { deadline: soon() });
    onTestFinished(async () => {
      await run('umount', [full], { deadline: soon() });
    });
    const small = new KataRecords(path.join(full, 'direct-volumes'));
    await small.write('/pods/before', info());
    await writeFile(path.join(full, 'ballast'), Buffer.alloc(64 * 1024)).catch(() => undefined);
    await expect(small.write(AT, info())).rejects.toThrow(/BERTH_KATA_RECORD_FAILED: .*ENOSPC.*make room in \/run/);
    expect(await readdir(small.directory)).toEqual([recordName('/pods/before')]);
    // What is there can still be taken away.
    await small.remove('/pods/before');
    expect(await readdir(small.directory)).toEqual([]);
  });
});
