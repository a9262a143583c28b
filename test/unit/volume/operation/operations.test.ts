/** One operation a volume: joins, refusals, deadlines, and never a key that stays behind. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runningChildren } from '../../../../src/host/process/children.js';
import { run } from '../../../../src/host/process/exec.js';
import { Deadline } from '../../../../src/model/deadline.js';
import { berthError } from '../../../../src/model/errors.js';
import type { LateEnd } from '../../../../src/volume/operation/operation-settings.js';
import { Operations, type Operation } from '../../../../src/volume/operation/operations.js';
import { held } from '../controller/held.js';

const attach = { op: 'attach', fingerprint: 'node-a' };
const soon = (): Deadline => Deadline.after(10_000);

const unhandled = vi.fn();
beforeEach(() => {
  unhandled.mockReset();
  process.on('unhandledRejection', unhandled);
});
afterEach(async () => {
  vi.useRealTimers();
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

describe('the same request', () => {
  it('joins the one that runs and gets its result', async () => {
    const operations = new Operations();
    const first = held<string>();
    const second = held<string>();
    const calls = [operations.run('v', attach, soon(), first.body), operations.run('v', attach, soon(), second.body)];
    first.end('done');
    expect(await Promise.all(calls)).toEqual(['done', 'done']);
    expect(second.body).not.toHaveBeenCalled();
  });

  it('joins the failure too', async () => {
    const operations = new Operations();
    const first = held<string>();
    const calls = [operations.run('v', attach, soon(), first.body), operations.run('v', attach, soon(), first.body)];
    first.breakOff(berthError('BERTH_CEPH_FULL', { pool: 'p' }));
    const both = await Promise.allSettled(calls);
    expect(both).toMatchObject([{ reason: { code: 'BERTH_CEPH_FULL' } }, { reason: { code: 'BERTH_CEPH_FULL' } }]);
    expect(first.body).toHaveBeenCalledTimes(1);
  });

  it('runs anew once the first has ended', async () => {
    const operations = new Operations();
    expect(await operations.run('v', attach, soon(), () => Promise.resolve(1))).toBe(1);
    expect(await operations.run('v', attach, soon(), () => Promise.resolve(2))).toBe(2);
  });
});

describe('an act within an operation', () => {
  it('enters its steps as its own, and is named with the operation to another request', async () => {
    const entered: string[] = [];
    const operations = new Operations<{ mount: ['read journal']; publish: ['bind'] }>({
      entered: ({ op, step }) => entered.push(`${op}:${step}`),
    });
    let end: () => void = () => undefined;
    const what = { op: 'mount', fingerprint: '' } as const;
    const running = operations.run('v', what, soon(), async (operation) => {
      operation.step('read journal');
      operation.within('publish').step('bind', 'of /a');
      await new Promise<void>((resolve) => (end = resolve));
    });
    const other = operations.run('v', { op: 'publish', fingerprint: '' }, soon(), () => Promise.resolve());
    await expect(other).rejects.toThrow(/mount is running since \d+ ms at step publish: bind of \/a/);
    end();
    await running;
    expect(entered).toEqual(['mount:start', 'mount:read journal', 'publish:start', 'publish:bind', 'mount:answer']);
  });
});

describe('a request that is not told its key', () => {
  it('joins the same one where it runs, with its success or its failure, and otherwise says so', async () => {
    const operations = new Operations();
    const first = held<string>();
    const running = operations.run('v', attach, soon(), first.body);
    expect(await operations.join({ ...attach, fingerprint: 'node-b' }, soon())).toBe(false);
    const joined = operations.join(attach, soon());
    const hurried = operations.join(attach, Deadline.after(1));
    await expect(hurried).rejects.toThrow(/BERTH_DEADLINE: attach of v /);
    first.end('done');
    expect(await joined).toBe(true);
    await running;
    expect(await operations.join(attach, soon())).toBe(false);
    const second = held<string>();
    const failing = [operations.run('w', attach, soon(), second.body), operations.join(attach, soon())];
    second.breakOff(new Error('no'));
    expect((await Promise.allSettled(failing)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});

describe('another request', () => {
  it.each([
    ['another operation', { op: 'detach', fingerprint: 'node-a' }],
    ['other arguments', { op: 'attach', fingerprint: 'node-b' }],
  ])('(%s) is told what runs, at which step and since when', async (_what, what) => {
    vi.useFakeTimers();
    const operations = new Operations();
    const first = held<string>();
    const running = operations.run('c/p/i', attach, soon(), first.body);
    first.step('holder record');
    vi.advanceTimersByTime(1500);
    const refused = operations.run('c/p/i', what, soon(), () => Promise.reject(new Error('must not run')));
    await expect(refused).rejects.toMatchObject({ code: 'BERTH_BUSY', status: 'ABORTED' });
    await expect(refused).rejects.toThrow('c/p/i: attach is running since 1500 ms at step holder record;');
    first.end('done');
    await running;
  });

  it('of another volume does not wait', async () => {
    const operations = new Operations();
    const first = held<string>();
    const running = operations.run('v', attach, soon(), first.body);
    expect(await operations.run('w', attach, soon(), () => Promise.resolve('w'))).toBe('w');
    expect(operations.size).toBe(1);
    first.end('v');
    await running;
    expect(operations.size).toBe(0);
  });

  it('in the same tick does not slip past: the key is taken before anything is awaited', async () => {
    const operations = new Operations();
    const body = vi.fn(() => Promise.resolve('x'));
    const ops = ['attach', 'detach', 'delete', 'expand'];
    const calls = ops.map((op) => operations.run('v', { op, fingerprint: '' }, soon(), body));
    expect(operations.size).toBe(1);
    const states = (await Promise.allSettled(calls)).map((one) => one.status);
    expect(states).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
    expect(body).toHaveBeenCalledTimes(1);
  });
});

describe('a deadline', () => {
  it('of one caller ends its wait and not the operation, which a retry joins', async () => {
    vi.useFakeTimers();
    const operations = new Operations();
    const first = held<string>();
    const hurried = operations.run('v', attach, Deadline.after(50), first.body);
    const patient = operations.run('v', attach, soon(), first.body);
    first.step('map');
    const late = expect(hurried).rejects.toThrow(
      /DEADLINE: attach of v \(step map, running since 5\d ms\) did not end/,
    );
    await vi.advanceTimersByTimeAsync(51);
    await late;
    expect(operations.size).toBe(1);
    const retry = operations.run('v', attach, soon(), first.body);
    first.end('done');
    expect(await Promise.all([patient, retry])).toEqual(['done', 'done']);
    expect(first.body).toHaveBeenCalledTimes(1);
    expect(operations.size).toBe(0);
  });

  it('of the operation is its own: a hurried caller that began it takes no time of a patient one', async () => {
    const operations = new Operations();
    let given: Deadline | undefined;
    const first = held<string>();
    const body = (operation: Operation, deadline: Deadline): Promise<string> => {
      given = deadline;
      return first.body(operation);
    };
    const hurried = operations.run('v', attach, Deadline.after(1), body);
    await expect(hurried).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
    expect(given?.remaining()).toBeGreaterThan(50_000);
    first.end('x');
  });

  it('that passed before the success leaves that success to the retry, once', async () => {
    const ends: LateEnd[] = [];
    const operations = new Operations({ late: (end) => ends.push(end) });
    const first = held<string>();
    await expect(operations.run('v', attach, Deadline.after(1), first.body)).rejects.toMatchObject({
      code: 'BERTH_DEADLINE',
    });
    first.end('late');
    await new Promise((resolve) => setImmediate(resolve));
    expect(ends).toMatchObject([{ key: 'v', op: 'attach', error: undefined }]);
    const again = vi.fn(() => Promise.resolve('anew'));
    expect(await operations.run('v', attach, soon(), again)).toBe('late');
    expect(await operations.run('v', attach, soon(), again)).toBe('anew');
  });

  it('that passed before the success leaves nothing to another request, nor to the first one after it', async () => {
    const operations = new Operations();
    const first = held<string>();
    await expect(operations.run('v', attach, Deadline.after(1), first.body)).rejects.toMatchObject({
      code: 'BERTH_DEADLINE',
    });
    first.end('late');
    await new Promise((resolve) => setImmediate(resolve));
    await operations.run('v', { op: 'detach', fingerprint: 'node-a' }, soon(), () => Promise.resolve());
    expect(await operations.run('v', attach, soon(), () => Promise.resolve('anew'))).toBe('anew');
  });

  it('that passed before a failure is told to the log, and the retry finds out for itself', async () => {
    const ends: LateEnd[] = [];
    const operations = new Operations({ late: (end) => ends.push(end) });
    const first = held<string>();
    await expect(operations.run('v', attach, Deadline.after(1), first.body)).rejects.toMatchObject({
      code: 'BERTH_DEADLINE',
    });
    first.breakOff(new Error('no'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(ends).toMatchObject([{ op: 'attach', error: { message: 'no' } }]);
    expect(await operations.run('v', attach, soon(), () => Promise.resolve('anew'))).toBe('anew');
  });

  it('that has passed already is an answer at once', async () => {
    const operations = new Operations();
    const first = held<string>();
    const call = operations.run('v', attach, Deadline.after(-1), first.body);
    await expect(call).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
    first.end('x');
  });

  it('leaves no timer behind', async () => {
    vi.useFakeTimers();
    const operations = new Operations();
    await operations.run('v', attach, soon(), () => Promise.resolve());
    await operations.run('v', attach, soon(), () => Promise.reject(new Error('x'))).catch(() => undefined);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a failure', () => {
  it.each<[string, () => Promise<void>]>([
    ['later', () => Promise.reject(new Error('no'))],
    [
      'at once',
      () => {
        throw new Error('no');
      },
    ],
  ])('that comes %s frees the key', async (_when, body) => {
    const operations = new Operations();
    await expect(operations.run('v', attach, soon(), body)).rejects.toThrow('no');
    expect(operations.size).toBe(0);
    expect(await operations.run('v', { op: 'delete', fingerprint: '' }, soon(), () => Promise.resolve('ok'))).toBe(
      'ok',
    );
  });

  it('that comes after its last caller has gone ends nothing', async () => {
    const operations = new Operations();
    const first = held<string>();
    await expect(operations.run('v', attach, Deadline.after(1), first.body)).rejects.toMatchObject({
      code: 'BERTH_DEADLINE',
    });
    first.breakOff(new Error('nobody listens'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(operations.size).toBe(0);
  });
});

describe('a child of an operation', () => {
  const CHILD = /sleep 30 \(pid \d+, \d+ ms, state [RSD]\)/;
  const kill = (): void => runningChildren().forEach(({ pid }) => process.kill(pid, 'SIGKILL'));
  afterEach(kill);

  it('is named, with its pid and state, to another request and to a caller whose time is over', async () => {
    const operations = new Operations();
    const body = (operation: Operation, deadline: Deadline) => {
      operation.step('mkfs', 'of ext4');
      return run('sleep', ['30'], { deadline });
    };
    const hurried = operations.run('v', attach, Deadline.after(300), body);
    const other = { op: 'detach', fingerprint: '' };
    await expect.poll(runningChildren).toHaveLength(1);
    const refused = operations.run('v', other, soon(), () => Promise.resolve());
    await expect(refused).rejects.toThrow(new RegExp(`attach is running .* at step mkfs of ext4.*${CHILD.source}`));
    await expect(hurried).rejects.toThrow(new RegExp(`attach of v .*waiting for ${CHILD.source}, did not end in`));
    kill();
    await expect.poll(() => operations.size).toBe(0);
  });

  it('is not laid at the door of another volume’s operation', async () => {
    const operations = new Operations();
    const one = operations.run('v', attach, soon(), (_, deadline) => run('sleep', ['30'], { deadline }));
    const held1 = held<string>();
    const two = operations.run('w', attach, soon(), held1.body);
    await expect.poll(runningChildren).toHaveLength(1);
    const refused = operations.run('w', { op: 'detach', fingerprint: '' }, soon(), () => Promise.resolve());
    await expect(refused).rejects.not.toThrow(CHILD);
    held1.end('x');
    await two;
    kill();
    await expect(one).rejects.toMatchObject({ code: 'BERTH_COMMAND_FAILED' });
  });

  it('that outlives its operation keeps the next one from beginning, and says so, until it ends', async () => {
    const operations = new Operations();
    let straggler: string | undefined;
    // Not waited for, as one that the kernel does not let die.
    const body = async (operation: Operation, deadline: Deadline): Promise<void> => {
      operation.step('map');
      run('sleep', ['30'], { deadline }).catch(() => undefined);
      await new Promise((resolve) => setImmediate(resolve));
      straggler = operation.straggler();
      throw new Error('its time is over');
    };
    await expect(operations.run('v', attach, soon(), body)).rejects.toThrow('its time is over');
    expect(straggler).toMatch(/^sleep 30 \(pid/);
    const again = vi.fn(() => Promise.resolve('done'));
    const refused = operations.run('v', attach, soon(), again);
    await expect(refused).rejects.toMatchObject({ code: 'BERTH_BUSY', status: 'ABORTED' });
    await expect(refused).rejects.toThrow(
      new RegExp(`what is left of attach is running .* step map, waiting for ${CHILD.source}`),
    );
    expect(again).not.toHaveBeenCalled();
    // What the child waits for may be done, and frees nobody else's way.
    const frees = { op: 'detach', fingerprint: '', besideStraggler: true };
    expect(await operations.run('v', frees, soon(), () => Promise.resolve('served again'))).toBe('served again');
    await expect(operations.run('v', attach, soon(), again)).rejects.toMatchObject({ code: 'BERTH_BUSY' });
    kill();
    await expect.poll(runningChildren).toEqual([]);
    expect(await operations.run('v', attach, soon(), again)).toBe('done');
  });
});
