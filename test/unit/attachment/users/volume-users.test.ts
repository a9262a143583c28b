/** Users of volumes over a cluster in memory: made and dropped, repeated, raced, and cut short at each step. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  keysObjectOf,
  parseVolumeUser,
  userOf,
  type VolumeUser,
} from '../../../../src/attachment/users/volume-user.js';
import { VolumeUsers } from '../../../../src/attachment/users/volume-users.js';
import { berthError } from '../../../../src/model/errors.js';
import type { PortOperation } from '../../../../src/rbd/port-operations.js';
import { MemoryRbd } from '../../../fakes/rbd-memory.js';
import { place, soon } from '../../volume/controller/memory-cluster.js';

const at = place();
const node = { node: 'node-1', installation: 'here', machine: undefined };
const caps = { mon: 'm', mgr: 'g', mds: 'd', osd: 'o' };
const [volume, grant] = ['c1/rbd/berth-v', 'grant-1'];
let rbd: MemoryRbd;
let now: Date;
let users: VolumeUsers;
beforeEach(() => {
  rbd = new MemoryRbd('rbd');
  now = new Date('2026-11-27T10:00:00Z');
  users = new VolumeUsers(rbd, () => now);
});

const wanted = (osd = 'o', of = grant) => ({
  ...{ grant: of, node, volume },
  caps: () => Promise.resolve({ ...caps, osd }),
  granted: () => Promise.resolve(new Set([of])),
});
const make = (osd?: string, by = users) => by.make(at, wanted(osd), soon());
const drop = (keep?: string, by = users) =>
  by.dropOthers(at, node, { volume, granted: () => Promise.resolve(new Set([keep])) }, soon());
async function record(of = grant): Promise<VolumeUser | undefined> {
  const text = (await rbd.getRecords(at, keysObjectOf(node), [of], soon())).get(of);
  return text === undefined ? undefined : parseVolumeUser(text);
}
const die = () => berthError('BERTH_WORKER_DIED', { what: 'test', how: 'killed' });
const keyThere = (): string | undefined => rbd.users.get(userOf(grant))?.key;
async function keyRead(): Promise<string | undefined> {
  const seen = await record();
  return seen?.state === 'made' ? seen.key.reveal() : undefined;
}

describe('make', () => {
  it('the node reads the key that Ceph gave, and a repeated call asks no monitor', async () => {
    await make();
    expect(await keyRead()).toBe(keyThere());
    rbd.calls.length = 0;
    await make();
    expect(rbd.calls.map(({ operation }) => operation)).toEqual(['getRecords']);
  });

  it('repeated when the chain below has changed: the caps of the first call stay', async () => {
    rbd.failNext('makeUser', die);
    await expect(make('first')).rejects.toMatchObject({ code: 'BERTH_VOLUME_USER_FAILED' });
    await make('second');
    expect(rbd.users.get(userOf(grant))?.caps).toBe(JSON.stringify({ ...caps, osd: 'first' }));
    expect(await keyRead()).toBe(keyThere());
  });

  const STEPS = ['getRecords', 'setRecords', 'compareAndSetRecord', 'makeUser'] as const;
  it.each(STEPS)('cut short at %s: the repeated call ends with one user, whose key the node reads', async (step) => {
    rbd.failNext(step, die);
    await expect(make()).rejects.toThrow();
    await make();
    expect(rbd.users.size).toBe(1);
    expect(await keyRead()).toBe(keyThere());
  });

  it('two controllers at once: one user, one key', async () => {
    const other = new VolumeUsers(rbd, () => now);
    await Promise.all([make('a'), make('b', other)]);
    expect(rbd.users.size).toBe(1);
    expect(await keyRead()).toBe(keyThere());
  });

  it('behind a detach that found no user yet: makes nobody, and nobody reads a key, also when repeated', async () => {
    const late = { ...wanted(), granted: () => Promise.resolve(new Set(['grant-2'])) };
    for (let n = 0; n < 2; n += 1)
      await expect(users.make(at, late, soon())).rejects.toMatchObject({ code: 'BERTH_VOLUME_USER_FAILED' });
    expect(rbd.calls.filter(({ operation }) => operation === 'makeUser')).toEqual([]);
    expect((await record())?.state).toBe('dropped');
  });

  it('asks what is granted behind the record and before the user: a detach after that finds the record', async () => {
    const granted = async () => {
      expect([(await record())?.state, rbd.users.size]).toEqual(['making', 0]);
      return new Set([grant]);
    };
    await users.make(at, { ...wanted(), granted }, soon());
    expect(await keyRead()).toBe(keyThere());
  });

  it('without the right: BERTH_VOLUME_USER_FAILED, and made when it is granted', async () => {
    rbd.users.mayBeMade = false;
    await expect(make()).rejects.toThrow(/BERTH_VOLUME_USER_FAILED: .*auth get-or-create/);
    rbd.users.mayBeMade = true;
    await make();
    expect(await keyRead()).toBe(keyThere());
  });
});

describe('dropOthers', () => {
  it('takes the user and his key, and says so to the node', async () => {
    await make();
    await drop();
    expect(rbd.users.size).toBe(0);
    expect(await record()).toEqual({ volume, state: 'dropped', at: now.toISOString() });
  });

  it('leaves the user of the attach that the volume has now, and of other volumes', async () => {
    await make();
    await users.make(at, { ...wanted('o', 'grant-2'), volume: 'c1/rbd/berth-w' }, soon());
    await drop(grant);
    expect([...rbd.users.keys()].sort()).toEqual([userOf(grant), userOf('grant-2')]);
  });

  it('asks what is granted behind the list: a user of an attach that came meanwhile stays', async () => {
    await make();
    const granted = async () => {
      await users.make(at, wanted('o', 'grant-2'), soon());
      return new Set<string>();
    };
    await users.dropOthers(at, node, { volume, granted }, soon());
    expect([...rbd.users.keys()]).toEqual([userOf('grant-2')]);
  });

  it.each(['compareAndSetRecord', 'dropUser'] as const)('cut short at %s: repeated, he is gone', async (step) => {
    await make();
    rbd.failNext(step, die);
    await expect(drop()).rejects.toThrow();
    await drop();
    expect(rbd.users.size).toBe(0);
    expect((await record())?.state).toBe('dropped');
  });

  it('a user that is being made as it was listed, and is made meanwhile: dropped all the same', async () => {
    rbd.failNext('makeUser', die);
    await expect(make()).rejects.toThrow();
    const granted = async () => {
      await make();
      return new Set<string>();
    };
    await users.dropOthers(at, node, { volume, granted }, soon());
    expect(rbd.users.size).toBe(0);
    expect((await record())?.state).toBe('dropped');
  });

  it('by two controllers at once: gone, and both succeed', async () => {
    await make();
    await Promise.all([drop(), drop(undefined, new VolumeUsers(rbd, () => new Date(now.getTime() + 1)))]);
    expect(rbd.users.size).toBe(0);
    expect((await record())?.state).toBe('dropped');
  });

  it('an attach that is late by its detach: what it made is taken back, BERTH_VOLUME_USER_FAILED', async () => {
    const slow = new VolumeUsers(
      Object.assign(Object.create(rbd) as MemoryRbd, {
        makeUser: async (...given: Parameters<MemoryRbd['makeUser']>) => {
          const key = await rbd.makeUser(...given);
          await drop();
          return key;
        },
      }),
      () => now,
    );
    await expect(make('o', slow)).rejects.toMatchObject({ code: 'BERTH_VOLUME_USER_FAILED' });
    expect(rbd.users.size).toBe(0);
    expect((await record())?.state).toBe('dropped');
    await expect(make()).rejects.toMatchObject({ code: 'BERTH_VOLUME_USER_FAILED' });
    expect(rbd.users.size).toBe(0);
  });

  it('a record whose user is gone is forgotten after thirty days, and not before', async () => {
    await make();
    await drop();
    now = new Date(now.getTime() + 29 * 86_400_000);
    await drop();
    expect(await record()).toBeDefined();
    now = new Date(now.getTime() + 2 * 86_400_000);
    await drop();
    expect(await record()).toBeUndefined();
  });
});

it('all: every user of every node, also behind a page', async () => {
  for (let n = 0; n < 3; n += 1)
    await users.make(at, { ...wanted('o', `grant-${n}`), node: { ...node, node: `node-${n}/%` } }, soon());
  const seen: string[] = [];
  for await (const one of users.all(at, soon)) seen.push(`${one.node.node} ${one.grant}`);
  expect(seen).toEqual(['node-0/% grant-0', 'node-1/% grant-1', 'node-2/% grant-2']);
  const reads: readonly PortOperation[] = ['getRecords', 'listRecords'];
  expect(rbd.calls.filter(({ operation }) => reads.includes(operation)).length).toBeGreaterThan(0);
});

it('keysObjectOf: no node’s object begins as another’s, whatever the names', () => {
  const named = (node: string, installation?: string) => keysObjectOf({ node, installation });
  const all = [named('node-1', 'a'), named('node-10', 'a'), named('node-1/x', 'a'), named('node-1'), named('a/node-1')];
  for (const one of all) for (const other of all) expect(other !== one && other.startsWith(one)).toBe(false);
});

it.each([
  ['of a later Berth', { version: 2, volume, at: 'x', state: 'made', caps, key: 'k' }],
  ['without caps', { version: 1, volume, at: 'x', state: 'making' }],
  ['in a state that is not known', { version: 1, volume, at: 'x', state: 'resting', caps }],
])('parseVolumeUser, a record %s: undefined', (_, value) => {
  expect(parseVolumeUser(JSON.stringify(value))).toBeUndefined();
});
