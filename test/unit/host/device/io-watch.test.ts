/** Whether I/O flows, from columns of counters over time. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { IoWatch } from '../../../../src/host/device/io-watch.js';

let root: string;
let watch: IoWatch;
const file = () => path.join(root, 'class/block/rbd0/stat');
/** Real files and a clock of our own. */
const stat = (ended: number, inFlight: number) =>
  writeFile(file(), `   ${ended} 0 8 1   7 0 8 2   ${inFlight} 10 20   0 0 0 0   0 0\n`);
const state = () => Promise.resolve(watch.state('/dev/rbd0'));

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'berth-io-'));
  await mkdir(path.dirname(file()), { recursive: true });
  watch = new IoWatch(root);
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
});
afterEach(async () => {
  watch.stop();
  vi.useRealTimers();
  await rm(root, { recursive: true });
});

describe('a device', () => {
  it('that is idle is not stalled, however long', async () => {
    await stat(5, 0);
    await state();
    vi.advanceTimersByTime(60_000);
    expect(await state()).toMatchObject({ inFlight: 0, stalledMs: 0 });
  });

  it('whose requests wait and none ends is stalled since it was seen so', async () => {
    await stat(5, 2);
    expect(await state()).toMatchObject({ inFlight: 2, stalledMs: 0 });
    vi.advanceTimersByTime(12_000);
    expect(await state()).toMatchObject({ inFlight: 2, stalledMs: 12_000 });
  });

  it('whose requests end one by one is slow, not stalled', async () => {
    await stat(5, 2);
    await state();
    vi.advanceTimersByTime(12_000);
    await stat(6, 2);
    expect(await state()).toMatchObject({ inFlight: 2, stalledMs: 0 });
  });

  it('that moved between two questions is not stalled: it was looked at meanwhile', async () => {
    vi.useRealTimers();
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    await stat(5, 2);
    await state();
    await stat(5, 0);
    await vi.advanceTimersByTimeAsync(5_000);
    // The look in the background reads a real file.
    await new Promise((resolve) => setImmediate(resolve));
    await vi.waitFor(async () => {
      await stat(5, 2);
      expect((await state())!.stalledMs).toBeLessThan(6_000);
    });
  });

  it('that nobody asks for any more is forgotten, and one that is gone has no state', async () => {
    await stat(5, 2);
    await state();
    vi.advanceTimersByTime(3_600_000);
    await rm(file());
    expect(await state()).toBeUndefined();
  });
});
