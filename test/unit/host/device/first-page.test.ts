/** Devices that do not answer: their readers get DEADLINE, and everybody else goes on reading. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PAGE_BYTES } from '../../../../src/host/device/direct-read.js';
import { readFirstPage } from '../../../../src/host/device/first-page.js';
import { childrenStarted, runningChildren } from '../../../../src/host/process/children.js';
import { Deadline } from '../../../../src/model/deadline.js';

/** More than libuv has threads. */
const DEAD = 6;
const bytes = Buffer.from(Array.from({ length: PAGE_BYTES }, (_, at) => (at * 7) % 256));
let directory: string;
const at = (name: string): string => path.join(directory, name);

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'berth-first-page-'));
  await writeFile(at('alive'), Buffer.concat([bytes, Buffer.from('more')]));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('the first page of a device', () => {
  it('is read, of several at a time, and of one that is not there it is said', async () => {
    const all = await Promise.all([1, 2, 3].map(() => readFirstPage(at('alive'), Deadline.after(10_000))));
    for (const one of all) expect(one.equals(bytes)).toBe(true);
    await expect(readFirstPage(at('missing'), Deadline.after(10_000))).rejects.toThrow(/ENOENT/);
    expect(runningChildren()).toEqual([]);
  });

  it('is read of two hundred at once, one behind the other, without one child', async () => {
    const before = childrenStarted();
    const all = Array.from({ length: 200 }, () => readFirstPage(at('alive'), Deadline.after(60_000)));
    for (const one of await Promise.all(all)) expect(one.equals(bytes)).toBe(true);
    expect(childrenStarted()).toBe(before);
  });

  it('that never comes costs one thread, however many wait: files and other devices are read on', async () => {
    const dead = Array.from({ length: DEAD }, (_, index) => at(`dead-${index}`));
    // Opening a pipe without a writer waits in the kernel, as reading a device without its cluster does.
    execFileSync('mkfifo', dead);
    const reads = dead.map((device) => readFirstPage(device, Deadline.after(2_000)));
    for (const one of await Promise.allSettled(reads)) expect(one.status).toBe('rejected');
    expect(runningChildren()).toEqual([]);
    expect((await readFile(at('alive'))).length).toBe(PAGE_BYTES + 4);
    expect((await readFirstPage(at('alive'), Deadline.after(60_000))).equals(bytes)).toBe(true);
    // It answers at last, and the thread is free again.
    await (await open(dead[0]!, 'r+')).close();
  });
});
