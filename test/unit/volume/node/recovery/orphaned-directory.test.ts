/** Clearing a kubelet's directory, on real files: piece by piece, and not one that somebody may still want. */
import { mkdir, readdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { Deadline } from '../../../../../src/model/deadline.js';
import {
  removeOrphanedDirectory,
  DATA_DRAFT,
  DATA_FILE,
  type OrphanedDirectory,
} from '../../../../../src/volume/node/recovery/orphaned-directory.js';
import { recoveryNode, type RecoveryNode } from './recovery-node.js';
import { entry, mapping, VOLUME } from '../../../reconcile/node-facts-fixture.js';

const soon = (): Deadline => Deadline.after(60_000);
const DRIVER = 'rbd.csi.berth.dev';

let at: RecoveryNode;
let leftover: OrphanedDirectory;
const file = (name: string): string => path.join(leftover.directory, name);

beforeEach(async () => {
  at = await recoveryNode();
  const owner = path.join(at.directory, 'pods/uid');
  const directory = path.join(owner, 'volumes/kubernetes.io~csi/pv');
  const mountPoint = path.join(directory, 'mount');
  const unchangedSince = Date.now() - 60_000;
  leftover = { volume: VOLUME, directory, mountPoint, quietBelow: owner, unchangedSince, driver: DRIVER };
  await mkdir(mountPoint, { recursive: true });
  await writeFile(file(DATA_FILE), JSON.stringify({ driverName: DRIVER, volumeHandle: VOLUME }));
  await old(mountPoint, file(DATA_FILE));
});

async function old(...files: string[]): Promise<void> {
  for (const one of files) await utimes(one, 1_000_000_000, 1_000_000_000);
}
const clear = () => removeOrphanedDirectory(at.parts, leftover, soon());
const left = (): Promise<string[]> => readdir(leftover.directory).then((names) => names.sort());

describe('a leftover', () => {
  it('goes: mount point, data file, directory, and nothing above', async () => {
    expect(await clear()).toBe('done');
    expect(await readdir(path.dirname(leftover.directory))).toEqual([]);
  });

  it('goes without its mount point, too, and with a data file that an earlier attempt had set aside', async () => {
    await rm(leftover.mountPoint, { recursive: true });
    await rename(file(DATA_FILE), file(DATA_DRAFT));
    expect(await clear()).toBe('done');
    expect(await readdir(path.dirname(leftover.directory))).toEqual([]);
  });

  it('stays while an operation of its volume runs', async () => {
    let end: () => void = () => undefined;
    const running = at.parts.operations.run(VOLUME, { op: 'stage', fingerprint: '' }, soon(), async () => {
      await new Promise<void>((resolve) => (end = resolve));
    });
    await expect(clear()).rejects.toThrow(/BERTH_BUSY.*stage/);
    end();
    await running;
    expect(await left()).toEqual(['mount', DATA_FILE]);
  });

  it('keeps the orchestrator waiting while it goes, with a retryable answer', async () => {
    const going = clear();
    const stage = at.parts.operations.run(VOLUME, { op: 'stage', fingerprint: '' }, soon(), () => Promise.resolve());
    await expect(stage).rejects.toThrow(/BERTH_BUSY.*reconcile/);
    expect(await going).toBe('done');
  });
});

describe('it stays as it is', () => {
  const kept = async (outcome: Promise<string>, names = ['mount', DATA_FILE]): Promise<void> => {
    expect(await outcome).toBe('changed');
    expect(await left()).toEqual(names);
  };

  it('when the journal knows its volume', async () => {
    await at.parts.journal.write(entry());
    await kept(clear());
  });

  it('when its volume is mapped', async () => {
    at.mappings.push(mapping().mapping);
    await kept(clear());
  });

  it('when the kubelet has just written the data file', async () => {
    await utimes(file(DATA_FILE), new Date(), new Date());
    await kept(clear());
  });

  it('when its mount point has just been made', async () => {
    await utimes(leftover.mountPoint, new Date(), new Date());
    await kept(clear());
  });

  it.each([
    ['another driver', { driverName: 'other', volumeHandle: VOLUME }],
    ['another volume', { driverName: DRIVER, volumeHandle: 'dev/hyper/berth-b' }],
  ])('when its data file names %s', async (_what, data) => {
    await writeFile(file(DATA_FILE), JSON.stringify(data));
    await old(file(DATA_FILE));
    await kept(clear());
  });

  it('when it is only a symbolic link', async () => {
    const real = path.join(at.directory, 'real');
    await rename(leftover.directory, real);
    await symlink(real, leftover.directory);
    await kept(clear());
  });

  it('when it holds something else', async () => {
    await writeFile(file('notes'), '');
    await expect(clear()).rejects.toThrow(/TARGET_OCCUPIED.*notes/);
    expect(await left()).toEqual(['mount', 'notes', DATA_FILE]);
  });

  it('when its mount point holds files', async () => {
    await writeFile(path.join(leftover.mountPoint, 'data'), 'x');
    await old(leftover.mountPoint);
    await expect(clear()).rejects.toThrow(/TARGET_OCCUPIED.*not empty/);
    expect(await left()).toEqual(['mount', DATA_FILE]);
  });
});

it('never takes the data file from a kubelet that writes it while we clear', async () => {
  for (let round = 0; round < 100; round += 1) {
    await mkdir(leftover.mountPoint, { recursive: true });
    await writeFile(file(DATA_FILE), JSON.stringify({ driverName: DRIVER, volumeHandle: VOLUME }));
    await old(leftover.mountPoint, file(DATA_FILE));
    const clearing = clear().catch((error: unknown) => String(error));
    await sleep((round % 20) / 10);
    // As a kubelet writes it: truncated in place where it is, made where it is not; a directory that is gone it makes
    // again.
    const written = await writeFile(file(DATA_FILE), '{"fresh":true}').then(
      () => true,
      () => false,
    );
    await clearing;
    if (written) expect(await readFile(file(DATA_FILE), 'utf8')).toBe('{"fresh":true}');
    else expect(await readdir(path.dirname(leftover.directory))).toEqual([]);
    expect(await readdir(leftover.directory).catch(() => [])).not.toContain(DATA_DRAFT);
  }
});
