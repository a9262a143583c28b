/** The lock of a directory: one holder per purpose, waiting for its end, and telling who it is. */
import { describe, expect, it } from 'vitest';
import { lockOwnerOf, lockDirectory } from '../../../src/dev/lock.js';
import { Deadline } from '../../../src/model/deadline.js';

const directory = `/unit/lock-${process.pid}`;
const soon = () => Deadline.after(60_000);

describe('lockDirectory', () => {
  it('names the holder to the one that comes too late', async () => {
    const lock = await lockDirectory(directory, 'change', 'bringing it up', soon());
    await expect(lockDirectory(directory, 'change', 'second', Deadline.after(100))).rejects.toThrow(
      `BERTH_DIRECTORY_BUSY: ${directory} is in use: process ${process.pid} (bringing it up)`,
    );
    expect(await lockOwnerOf(directory, 'change', soon())).toEqual({ pid: process.pid, what: 'bringing it up' });
    await lock.release();
    expect(await lockOwnerOf(directory, 'change', soon())).toBeUndefined();
  });

  it('lets the waiting one in as soon as the holder lets go', async () => {
    const first = await lockDirectory(directory, 'change', 'first', soon());
    const second = lockDirectory(directory, 'change', 'second', soon());
    const started = performance.now();
    await first.release();
    await (await second).release();
    expect(performance.now() - started).toBeLessThan(30_000);
  });

  it('keeps purposes and directories apart', async () => {
    const locks = await Promise.all([
      lockDirectory(directory, 'change', 'a', soon()),
      lockDirectory(directory, 'serve', 'b', soon()),
      lockDirectory(`${directory}-other`, 'change', 'c', soon()),
    ]);
    await Promise.all(locks.map((lock) => lock.release()));
  });
});
