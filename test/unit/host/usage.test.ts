/** Usage of a filesystem that is there, and of a path that is not. */
import { describe, expect, it } from 'vitest';
import { filesystemUsage } from '../../../src/host/usage.js';
import { Deadline } from '../../../src/model/deadline.js';

describe('filesystemUsage', () => {
  it('gives bytes and inodes that fit each other', async () => {
    const { bytes, inodes } = await filesystemUsage('/', Deadline.after(5_000));
    expect(bytes.total).toBeGreaterThan(0n);
    expect(bytes.used + bytes.available).toBeLessThanOrEqual(bytes.total);
    expect(inodes.used + inodes.available).toBe(inodes.total);
  });

  it("throws the system's error for a path that is not there", async () => {
    await expect(filesystemUsage('/no/such', Deadline.after(5_000))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
