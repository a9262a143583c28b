/**
 * The hand-off file: frakti's spelling to the letter, whole or not there, for root alone, and nobody else's file is
 * touched.
 */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../../../src/model/secret.js';
import {
  HAND_OVER_FILE,
  readHandOverFile,
  removeHandOverFile,
  writeHandOverFile,
  type HandOverFile,
} from '../../../../src/sandbox/hyperd/hand-over-file.js';
import { plugOf } from '../../../../src/dev/guest/hyperd-plug.js';

const HAND_OFF: HandOverFile = {
  ...{ image: 'vol1', pool: 'hyper', fsType: 'ext4', user: 'guest', key: new Secret('AQ+/==') },
  monitors: ['10.0.0.1:6789', '10.0.0.2:6789'],
};
const DRAFT = `.${HAND_OVER_FILE}.berth`;

let directory: string;
let file: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'berth-hand-off-'));
  file = path.join(directory, HAND_OVER_FILE);
});
afterEach(() => rm(directory, { recursive: true }));

describe('the file', () => {
  it('is what the ancestor wrote, member for member', async () => {
    await writeHandOverFile(directory, HAND_OFF);
    expect(await readFile(file, 'utf8')).toBe(
      '{"cephRBDOptsData":{"volumeID":"vol1","pool":"hyper","fsType":"ext4","user":"guest","keyring":"AQ+/==",' +
        '"monitors":["10.0.0.1:6789","10.0.0.2:6789"]}}',
    );
  });

  it('becomes runv’s drive, with nothing that QEMU would take for its own', async () => {
    await writeHandOverFile(directory, HAND_OFF);
    expect(plugOf(await readFile(file, 'utf8'), 3)).toEqual({
      driveAdd:
        String.raw`drive_add dummy file=rbd:hyper/vol1:id=guest:key=AQ+/==:mon_host=10.0.0.1\:6789;10.0.0.2\:6789` +
        ',if=none,id=drive3,format=rbd,cache=writeback',
      deviceAdd: { driver: 'scsi-hd', bus: 'scsi0.0', 'scsi-id': 3, drive: 'drive3', id: 'scsi-disk3' },
      fsType: 'ext4',
    });
  });

  it('is never half there: a reader that looks all the time sees nothing or all of it', async () => {
    let looks = 0;
    const writer = { done: false };
    const written = file;
    const reader = (async () => {
      while (!writer.done) {
        const text = await readFile(written, 'utf8').catch(() => undefined);
        if (text !== undefined) {
          looks += 1;
          expect(() => plugOf(text)).not.toThrow();
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    try {
      for (let i = 0; i < 60 || looks <= 10; i += 1) {
        await writeHandOverFile(directory, { ...HAND_OFF, user: `guest${i}` });
        if (i % 3 === 0) await removeHandOverFile(directory);
      }
    } finally {
      writer.done = true;
    }
    await reader;
  });

  it('is 0600 whatever the umask and whatever lay there', async () => {
    await writeFile(file, 'old', { mode: 0o644 });
    await writeFile(path.join(directory, DRAFT), 'draft', { mode: 0o644 });
    const before = process.umask(0);
    try {
      await writeHandOverFile(directory, HAND_OFF);
    } finally {
      process.umask(before);
    }
    expect((await stat(file)).mode & 0o7777).toBe(0o600);
    await chmod(file, 0o640);
    await writeHandOverFile(directory, HAND_OFF);
    expect((await stat(file)).mode & 0o7777).toBe(0o600);
    expect(await readdir(directory)).toEqual([HAND_OVER_FILE]);
  });

  it('follows no link: a key goes into nobody else’s file', async () => {
    const other = path.join(directory, '..', `${path.basename(directory)}-other`);
    await writeFile(other, 'mine');
    try {
      await symlink(other, path.join(directory, DRAFT));
      await symlink(other, file);
      await writeHandOverFile(directory, HAND_OFF);
      expect(await readFile(other, 'utf8')).toBe('mine');
      expect((await stat(file)).mode & 0o7777).toBe(0o600);
    } finally {
      await rm(other);
    }
  });

  it('goes into a directory of its own only', async () => {
    await writeFile(path.join(directory, 'data'), '');
    await expect(writeHandOverFile(directory, HAND_OFF)).rejects.toThrow(/BERTH_TARGET_OCCUPIED.*holds data/);
    await expect(writeHandOverFile(path.join(directory, 'data'), HAND_OFF)).rejects.toThrow(/BERTH_TARGET_OCCUPIED/);
    await expect(writeHandOverFile(path.join(directory, 'none'), HAND_OFF)).rejects.toThrow(
      /BERTH_HAND_OVER_FAILED.*ENOENT/,
    );
    await expect(writeHandOverFile('/proc', HAND_OFF)).rejects.toThrow(/BERTH_TARGET_OCCUPIED.*mount/);
  });

  it('goes with its draft, and a second time, and where its directory is gone', async () => {
    await writeHandOverFile(directory, HAND_OFF);
    await writeFile(path.join(directory, DRAFT), 'key');
    expect(await readHandOverFile(directory)).toEqual({ pool: 'hyper', image: 'vol1' });
    for (let i = 0; i < 2; i += 1) await removeHandOverFile(directory);
    expect(await readdir(directory)).toEqual([]);
    expect(await readHandOverFile(directory)).toBeUndefined();
    await removeHandOverFile(path.join(directory, 'none'));
    await mkdir(file);
    await expect(removeHandOverFile(directory)).rejects.toThrow(/BERTH_HAND_OVER_FAILED/);
  });
});
