import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Exec } from '../../../../src/host/process/exec.js';
import { whyNotModule } from '../../../../src/rbd/mapping/kernel-module.js';
import { kernelFixture, type KernelFixture } from './kernel-fixture.js';

let kernel: KernelFixture;
let mark: string;
beforeEach(async () => {
  kernel = await kernelFixture();
  mark = path.join(kernel.roots.sys, 'berth-module');
});
afterEach(async () => {
  vi.useRealTimers();
  await kernel.remove();
});

const modprobe = (act: () => Promise<void>) =>
  vi.fn<Exec>(async () => {
    await act();
    return { stdout: '', stderr: '', exitCode: 0 };
  });

it('a module is loaded once, with its options, where it was not', async () => {
  const exec = modprobe(() => writeFile(mark, ''));
  expect(await whyNotModule(exec, 'nbd', mark, ['nbds_max=128'])).toBeUndefined();
  expect(await whyNotModule(exec, 'nbd', mark, ['nbds_max=128'])).toBeUndefined();
  expect(exec.mock.calls.map(([file, args]) => [file, ...args])).toEqual([['modprobe', 'nbd', 'nbds_max=128']]);
});

it('a module that many ask for at once is loaded by one child', async () => {
  const exec = modprobe(() => Promise.reject(new Error('not found')));
  const all = await Promise.all(Array.from({ length: 500 }, () => whyNotModule(exec, 'rbd', mark)));
  expect(new Set(all)).toEqual(new Set(['the kernel has no rbd (not found)']));
  expect(exec).toHaveBeenCalledTimes(1);
});

it('a module that cannot be loaded is not tried at every call, and noticed when somebody loads it', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const exec = modprobe(() => Promise.reject(new Error('not found')));
  const why = 'the kernel has no rbd (not found)';
  for (const call of [1, 2, 3]) expect(await whyNotModule(exec, 'rbd', mark), String(call)).toBe(why);
  expect(exec).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(61_000);
  expect(await whyNotModule(exec, 'rbd', mark)).toBe(why);
  expect(exec).toHaveBeenCalledTimes(2);
  await writeFile(mark, '');
  expect(await whyNotModule(exec, 'rbd', mark)).toBeUndefined();
  await rm(mark);
});
