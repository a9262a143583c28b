/** What a client's log says of OSDs that do not take its user is heard, and nothing else is taken for it. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { OsdRefusal } from '../../../../../../src/rbd/librbd/worker/connection/osd-refusal.js';

const LINE =
  '2026-11-26T23:48:02.258+0000 7fb69d48b6c0  1 --2- 127.0.0.1:0/13 >> [v2:127.1.1.1:6800/23,v1:127.1.1.1:6801/23] ' +
  'conn(0x1 0x2 unknown :-1 s=AUTH_CONNECTING pgs=0 cs=0 l=1 rev1=1 crypto rx=0 tx=0).handle_auth_bad_method ';

/** A client whose messenger writes `line` as soon as its log is opened; `options` keeps what it was last told. */
function client(line: string) {
  const options = new Map<string, string>();
  const logs: string[] = [];
  const refusal = new OsdRefusal((option, value) => {
    options.set(option, value);
    if (option !== 'log_file' || value === '') return;
    logs.push(value);
    void appendFile(value, line);
  }, 0);
  return { refusal, options, logs };
}

function waiting() {
  let end = (): void => undefined;
  const work = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { work, end: () => end() };
}

describe('while an OSD does not answer', () => {
  it('its refusal is told, and the log is closed and removed again', async () => {
    const { refusal, options, logs } = client(`${LINE}method=2 result (13) Permission denied, allowed methods=[2]\n`);
    const { work, end } = waiting();
    expect(await refusal.isRefused(work)).toBe(true);
    await expect.poll(() => options.get('log_file')).toBe('');
    expect(options.get('debug_ms')).toBe('0');
    const [directory = ''] = logs.map((log) => path.dirname(log));
    expect(path.basename(directory)).toMatch(/^berth-ceph-/);
    await expect.poll(() => existsSync(directory)).toBe(false);
    end();
  });

  it('what a killed process left of its listening is removed, and what a living one has stays', async () => {
    const gone = spawnSync('true').pid;
    const [left, alive] = [`/dev/shm/berth-ceph-${gone}-left`, `/dev/shm/berth-ceph-${process.pid}-alive`];
    for (const directory of [left, alive]) await mkdir(directory);
    try {
      const { refusal } = client(`${LINE}method=2 result (13) Permission denied, allowed methods=[2]\n`);
      const { work, end } = waiting();
      expect(await refusal.isRefused(work)).toBe(true);
      expect([existsSync(left), existsSync(alive)]).toEqual([false, true]);
      end();
    } finally {
      for (const directory of [left, alive]) await rm(directory, { recursive: true, force: true });
    }
  });

  it('two calls at once listen once', async () => {
    const { refusal } = client(`${LINE}method=2 result (13) Permission denied\n`);
    const both = [waiting(), waiting()];
    expect(await Promise.all(both.map(({ work }) => refusal.isRefused(work)))).toEqual([true, true]);
    for (const { end } of both) end();
  });

  it('work that ends meanwhile is no refusal', async () => {
    const { refusal } = client(`${LINE}method=2 result (95) Operation not supported, allowed methods=[2]\n`);
    const { work, end } = waiting();
    const answer = refusal.isRefused(work);
    end();
    expect(await answer).toBe(false);
  });
});

it('a connection that an OSD has served: nothing is listened for', async () => {
  const { refusal, options } = client(`${LINE}method=2 result (13) Permission denied\n`);
  refusal.served();
  expect(await refusal.isRefused(new Promise(() => undefined))).toBe(false);
  expect(options.size).toBe(0);
});
