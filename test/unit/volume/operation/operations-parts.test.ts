/** Operations about parts of one key: beside each other, and never beside one about all of it. */
import { describe, expect, it, vi } from 'vitest';
import { Deadline } from '../../../../src/model/deadline.js';
import { Operations } from '../../../../src/volume/operation/operations.js';
import { held } from '../controller/held.js';

const soon = (): Deadline => Deadline.after(10_000);

describe('requests about different parts of a key', () => {
  const of = (part: string, op = 'attach') => ({ op, part, fingerprint: part });
  const whole = { op: 'delete', fingerprint: '' };

  it('run beside each other, and each joins its own', async () => {
    const operations = new Operations();
    const [a, b] = [held<string>(), held<string>()];
    const calls = [
      operations.run('v', of('a'), soon(), a.body),
      operations.run('v', of('b'), soon(), b.body),
      operations.run('v', of('a'), soon(), b.body),
    ];
    expect(operations.size).toBe(2);
    b.end('b');
    expect(await calls[1]).toBe('b');
    expect(operations.isRunning('v')).toBe(true);
    a.end('a');
    expect(await Promise.all(calls)).toEqual(['a', 'b', 'a']);
    expect(operations.isRunning('v')).toBe(false);
  });

  it('refuse one about all of it, are refused beside it, and exclude each other where the part is one', async () => {
    const operations = new Operations();
    const a = held<string>();
    const attaching = operations.run('v', of('a'), soon(), a.body);
    const nothing = () => Promise.resolve('');
    const busy = { code: 'BERTH_BUSY' };
    await expect(operations.run('v', whole, soon(), nothing)).rejects.toMatchObject(busy);
    await expect(operations.run('v', of('a', 'detach'), soon(), nothing)).rejects.toMatchObject(busy);
    a.end('');
    await attaching;
    const all = held<string>();
    const deleting = operations.run('v', whole, soon(), all.body);
    await expect(operations.run('v', of('a'), soon(), nothing)).rejects.toMatchObject(busy);
    all.end('');
    await deleting;
  });

  it('remember a success that nobody heard until the same part, or all of it, is worked on', async () => {
    const operations = new Operations();
    const late = async (part: string): Promise<void> => {
      const slow = held<string>();
      await expect(operations.run('v', of(part), Deadline.after(5), slow.body)).rejects.toThrow(/DEADLINE/);
      slow.end(`late ${part}`);
      await vi.waitFor(() => expect(operations.size).toBe(0));
    };
    const again = (part: string) => operations.run('v', of(part), soon(), () => Promise.resolve('anew'));
    await late('a');
    await late('b');
    expect(await again('a')).toBe('late a');
    await late('a');
    await operations.run('v', of('a', 'detach'), soon(), () => Promise.resolve(''));
    expect([await again('a'), await again('b')]).toEqual(['anew', 'late b']);
    await late('b');
    await operations.run('v', whole, soon(), () => Promise.resolve(''));
    expect(await again('b')).toBe('anew');
  });
});
