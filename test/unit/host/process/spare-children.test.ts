/** run() by children that were started ahead: the same as by others, and what is about them alone. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { childrenStarted, runningChildren } from '../../../../src/host/process/children.js';
import { run } from '../../../../src/host/process/exec.js';
import { keepSpareChildren, spareChildren, takeSpareChild } from '../../../../src/host/process/start/spare-children.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { execContract } from './exec.contract.js';

const soon = () => Deadline.after(60_000);
/** Children of this process that wait for their words, by pid. */
const waiting = (): readonly number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => parentOf(pid) === process.pid && ask(pid, 'cmdline').endsWith('\0berth-exec\0'));
const ready = (count = 1) => expect.poll(spareChildren, { timeout: 60_000 }).toBeGreaterThanOrEqual(count);

let end: () => void;
beforeEach(async () => {
  end = keepSpareChildren();
  await ready();
});
afterEach(() => end());

describe('a spare child', execContract);

describe('spare children', () => {
  it('become the program that is asked for, under the pid that they have', async () => {
    await expect.poll(() => waiting().length - spareChildren(), { timeout: 60_000 }).toBe(0);
    const pids = waiting();
    const { stdout } = await run('sh', ['-c', 'echo $$ $PPID'], { deadline: soon() });
    const [pid, parent] = stdout.split(' ').map(Number);
    expect(pids).toContain(pid);
    expect(parent).toBe(process.pid);
  });

  it('take empty words, spaces and quotes as they are, and leave the program three descriptors', async () => {
    const words = ['', ' a  b ', String.raw`\t\\`, `'"$(id)*`, '-n', 'ü€😀'];
    const { stdout } = await run('printf', ['[%s]', ...words], { deadline: soon() });
    expect(stdout).toBe(words.map((word) => `[${word}]`).join(''));
    const left = await run('sh', ['-c', '[ -e /proc/$$/fd/3 ] || echo none'], { deadline: soon() });
    expect(left.stdout).toBe('none');
  });

  it.each([
    ['a line feed in a word', () => run('printf', ['%s', 'a\nb'], { deadline: soon() }), 'a\nb'],
    ['input', () => run('cat', [], { deadline: soon(), input: 'in' }), 'in'],
    ['a variable', () => run('sh', ['-c', 'echo $A'], { deadline: soon(), env: { A: 'b' } }), 'b'],
    ['very many words', () => run('echo', ['x'.repeat(9_000)], { deadline: soon() }), 'x'.repeat(9_000)],
  ])('are left alone by a command with %s, which starts by itself', async (_what, start, output) => {
    const before = spareChildren();
    const answer = start();
    expect(spareChildren()).toBe(before);
    expect((await answer).stdout).toBe(output);
  });

  it('run work, which no deadline ends', async () => {
    const before = spareChildren();
    const work = run('sh', ['-c', 'sleep 0.3; echo done; exit 3'], {
      deadline: Deadline.after(100),
      okCodes: [3],
      work: {},
    });
    expect(spareChildren()).toBe(before - 1);
    expect(runningChildren().map(({ isWork }) => isWork)).toEqual([true]);
    expect(await work).toEqual({ stdout: 'done', stderr: '', exitCode: 3 });
  });

  it('that has died is passed over, also before this process was told of its death', async () => {
    await ready(2);
    await expect.poll(() => waiting().length, { timeout: 60_000 }).toBeGreaterThan(0);
    // Nothing is awaited from here to the run.
    const before = spareChildren();
    const [first = NaN] = waiting();
    process.kill(first, 'SIGKILL');
    while (waiting().includes(first));
    expect(spareChildren()).toBe(before);
    const answers = Array.from({ length: before }, () => run('echo', ['lives'], { deadline: soon() }));
    for (const { stdout } of await Promise.all(answers)) expect(stdout).toBe('lives');
  });

  it('that dies is no ready one any more, and none follows it at once', async () => {
    await ready(2);
    // Again and again: who has just been forked does not look like one yet.
    const left = () => {
      for (const pid of waiting()) process.kill(pid, 'SIGKILL');
      return spareChildren();
    };
    await expect.poll(left, { timeout: 60_000 }).toBe(0);
    expect((await run('echo', ['direct'], { deadline: soon() })).stdout).toBe('direct');
  });

  it('are started where nobody starts another child, count for nobody, and are no more than are kept', async () => {
    const before = childrenStarted();
    await ready(24);
    await sleep(200);
    expect(spareChildren()).toBe(24);
    await expect.poll(() => waiting().length, { timeout: 60_000 }).toBe(24);
    expect(childrenStarted()).toBe(before);
    expect(runningChildren()).toEqual([]);
  });

  it('a storm empties them, and whoever comes then starts by himself', async () => {
    await ready(3);
    const answers = Array.from({ length: 30 }, (_, n) => run('echo', [String(n)], { deadline: soon() }));
    expect(spareChildren()).toBe(0);
    expect((await Promise.all(answers)).map(({ stdout }) => Number(stdout))).toEqual([...answers.keys()]);
  });

  it('end with what kept them, and are not taken any more', async () => {
    await ready(3);
    end();
    expect(spareChildren()).toBe(0);
    expect(takeSpareChild(['true'])).toBeUndefined();
    await expect.poll(waiting, { timeout: 60_000 }).toEqual([]);
    await sleep(200);
    expect(waiting()).toEqual([]);
  });
});

/** A child that has ended, and that nobody has waited for yet, has no command line any more. */
const parentOf = (pid: number): number => Number(/\) \S (\d+)/.exec(ask(pid, 'stat'))?.[1]);

function ask(pid: number, file: 'cmdline' | 'stat'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
