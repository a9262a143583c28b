/** Usage of a filesystem that is there, of a path that is not, and of filesystems that never answer. */
import type * as Promises from 'node:fs/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { run, type Exec } from '../../../../src/host/process/exec.js';
import { UsageReader } from '../../../../src/host/filesystem/filesystem-usage.js';
import { Deadline } from '../../../../src/model/deadline.js';

const hung = vi.hoisted(() => ({ paths: new Set<string>(), asked: [] as string[], release: [] as (() => void)[] }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof Promises>();
  const statfs = (path: string, options: never): Promise<unknown> => {
    hung.asked.push(path);
    if (!hung.paths.has(path)) return real.statfs(path, options);
    return new Promise((resolve, reject) => {
      hung.release.push(() => void real.statfs('/', options).then(resolve, reject));
    });
  };
  // A thread that hangs in the kernel stands for the whole call: what comes after it is not reached.
  return { ...real, statfs, stat: (path: string) => real.stat(hung.paths.has(path) ? '/' : path) };
});
afterEach(() => {
  for (const free of hung.release.splice(0)) free();
  hung.paths.clear();
  hung.asked.length = 0;
});

const soon = (ms = 60_000) => Deadline.after(ms);
const children: string[] = [];
const counting: Exec = (file, args, options) => {
  children.push([file, ...args].join(' '));
  return run(file, args, options);
};

describe('a filesystem that answers', () => {
  it('gives bytes and inodes that fit each other', async () => {
    const { bytes, inodes } = await new UsageReader(run).read('/', '8:1', soon());
    expect(bytes.total).toBeGreaterThan(0n);
    expect(bytes.used + bytes.available).toBeLessThanOrEqual(bytes.total);
    expect(inodes.used + inodes.available).toBe(inodes.total);
  });

  it("that is not there gives the system's error, and may be asked again", async () => {
    const reader = new UsageReader(run);
    for (let n = 0; n < 2; n += 1) {
      await expect(reader.read('/no/such', '8:1', soon())).rejects.toMatchObject({ code: 'ENOENT' });
    }
  });

  it('is asked once by all who ask at the same time', async () => {
    const reader = new UsageReader(run);
    const answers = await Promise.all(Array.from({ length: 9 }, () => reader.read('/', '8:1', soon())));
    expect(new Set(answers.map(({ bytes }) => bytes.total)).size).toBe(1);
    expect(hung.asked).toEqual(['/']);
  });
});

describe('a filesystem that does not answer', () => {
  it('is given up at the deadline, and not asked again before it answers', async () => {
    hung.paths.add('/dead');
    const reader = new UsageReader(run);
    await expect(reader.read('/dead', '8:1', soon(1_100))).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
    const began = performance.now();
    await expect(reader.read('/dead', '8:1', soon())).rejects.toThrow(
      /an earlier statfs of \/dead did not end in \d{4,} ms/,
    );
    expect(performance.now() - began).toBeLessThan(30_000);
    expect(hung.asked).toEqual(['/dead']);
    hung.paths.clear();
    for (const free of hung.release.splice(0)) free();
    await vi.waitFor(
      async () => {
        expect((await reader.read('/', '8:1', soon())).bytes.total).toBeGreaterThan(0n);
      },
      { timeout: 30_000 },
    );
  });

  it('takes two threads with all its like, and the others are asked by a child', async () => {
    const reader = new UsageReader(counting);
    const dead = ['/dead1', '/dead2', '/dead3'];
    for (const path of dead) hung.paths.add(path);
    const asks = dead.map((path, n) => reader.read(path, `8:${n}`, soon(300)).catch((error: unknown) => error));
    const answers = await Promise.all(asks);
    expect(hung.asked).toEqual(['/dead1', '/dead2']);
    // The third does not exist, which a child can tell.
    expect(answers[2]).toMatchObject({ code: 'BERTH_COMMAND_FAILED' });
    const { bytes, inodes } = await reader.read('/', '8:9', soon());
    const direct = await new UsageReader(run).read('/', '8:9', soon());
    expect([bytes.total, inodes.total]).toEqual([direct.bytes.total, direct.inodes.total]);
    expect(children.at(-1)).toMatch(/^stat --file-system .* \/$/);
  });
});
