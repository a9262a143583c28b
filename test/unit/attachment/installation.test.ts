import { describe, expect, it } from 'vitest';
import { Installation } from '../../../src/attachment/node-identity.js';
import { Deadline } from '../../../src/model/deadline.js';

const soon = (): Deadline => Deadline.after(10_000);
const unknown = { code: 'BERTH_INSTALLATION_UNKNOWN', status: 'UNAVAILABLE' };

describe('the installation', () => {
  it('is none without an orchestrator, and what an option says with and without one', async () => {
    expect(await new Installation().known(soon())).toBe('');
    expect(new Installation('x').id).toBe('x');
    expect(await new Installation('x', () => Promise.reject(new Error('not asked'))).known(soon())).toBe('x');
  });

  it('is asked once, by all callers together, and does not change any more', async () => {
    let asked = 0;
    const installation = new Installation(undefined, () => Promise.resolve(`uid-${(asked += 1)}`));
    expect(installation.id).toBeUndefined();
    expect(await Promise.all([installation.known(soon()), installation.known(soon())])).toEqual(['uid-1', 'uid-1']);
    expect(await installation.known(soon())).toBe('uid-1');
    expect(installation.id).toBe('uid-1');
  });

  it('is never taken for none while the orchestrator does not answer, and known as soon as it does', async () => {
    const answers = [Promise.reject(new Error('forbidden')), Promise.resolve('uid')];
    const installation = new Installation(undefined, () => answers.shift()!);
    await expect(installation.known(soon())).rejects.toMatchObject(unknown);
    expect(installation.id).toBeUndefined();
    expect(await installation.known(soon())).toBe('uid');
  });

  it('is waited for no longer than the caller has time', async () => {
    const installation = new Installation(undefined, () => new Promise(() => undefined));
    await expect(installation.known(Deadline.after(20))).rejects.toMatchObject(unknown);
  });
});
