/** Which user a node opens a volume by: of the attach, of the journal's attach, or its own. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Installation } from '../../../../../src/attachment/node-identity.js';
import { formatVolumeUser, keysObjectOf, userOf } from '../../../../../src/attachment/users/volume-user.js';
import type { VolumeUser } from '../../../../../src/attachment/users/volume-user.js';
import type { JournalEntry } from '../../../../../src/journal/entry.js';
import { Secret } from '../../../../../src/model/secret.js';
import { VolumeKeys } from '../../../../../src/volume/node/users/volume-keys.js';
import { MemoryRbd } from '../../../../fakes/rbd-memory.js';
import { place, soon } from '../../controller/memory-cluster.js';

const registry = place();
const clusters = { registry: () => Promise.resolve(registry) };
const [volume, grant] = ['c1/rbd/berth-v', 'grant-1'];
const caps = { mon: 'm', mgr: 'g', mds: 'd', osd: 'o' };
const made: VolumeUser = { volume, at: '2026-11-27T10:00:00Z', state: 'made', caps, key: new Secret('the key') };
let rbd: MemoryRbd;
let entry: Partial<JournalEntry> | undefined;
let now: number;
let reads: number;
beforeEach(() => {
  rbd = new MemoryRbd('rbd');
  entry = undefined;
  reads = 0;
  now = 0;
});

const keys = (): VolumeKeys =>
  new VolumeKeys({
    rbd,
    node: 'node-1',
    installation: new Installation('here'),
    journal: {
      read: () => {
        reads += 1;
        return Promise.resolve(entry as JournalEntry | undefined);
      },
    },
    clock: () => now,
  });
const write = (user: VolumeUser, node = 'node-1'): Promise<void> => {
  const object = keysObjectOf({ node, installation: 'here' });
  return rbd.setRecords(registry, object, new Map([[grant, formatVolumeUser(user)]]), soon());
};
const of = async (by: VolumeKeys) => {
  const credentials = await by.of(volume, () => Promise.resolve(registry));
  return credentials && [credentials.user, credentials.key.reveal()];
};

describe('take', () => {
  it('by an attach that made a user: the volume is opened by him, and his key is read once', async () => {
    await write(made);
    const here = keys();
    await here.take(clusters, volume, grant, soon());
    await here.take(clusters, volume, grant, soon());
    expect(await of(here)).toEqual([userOf(grant), 'the key']);
    expect(rbd.calls.filter(({ operation }) => operation === 'getRecords')).toHaveLength(1);
  });

  it('by an attach without a user, behind one that had one: the node’s own, whatever the journal says', async () => {
    await write(made);
    const here = keys();
    await here.take(clusters, volume, grant, soon());
    entry = { grant, ownUser: true };
    await here.take(clusters, volume, undefined, soon());
    expect(await of(here)).toBeUndefined();
  });

  it('by an attach whose volume was taken from the node: BERTH_GRANT_OUTDATED', async () => {
    await write({ volume, at: '2026-11-27T10:00:00Z', state: 'dropped' });
    await expect(keys().take(clusters, volume, grant, soon())).rejects.toMatchObject({ code: 'BERTH_GRANT_OUTDATED' });
  });

  it.each([
    ['that no record has', () => Promise.resolve()],
    ['that is another node’s', () => write(made, 'node-10')],
    ['that is another volume’s', () => write({ ...made, volume: 'c1/rbd/berth-w' })],
  ])('by a grant %s: BERTH_VOLUME_USER_FAILED, which is repeated', async (_, prepare) => {
    await prepare();
    await expect(keys().take(clusters, volume, grant, soon())).rejects.toMatchObject({
      code: 'BERTH_VOLUME_USER_FAILED',
      status: 'UNAVAILABLE',
    });
  });
});

it('of, a minute after the volume was taken from the node: BERTH_GRANT_OUTDATED', async () => {
  await write(made);
  const here = keys();
  await here.take(clusters, volume, grant, soon());
  await write({ volume, at: '2026-11-27T10:00:00Z', state: 'dropped' });
  now += 59_000;
  expect(await of(here)).toEqual([userOf(grant), 'the key']);
  now += 1_000;
  await expect(of(here)).rejects.toMatchObject({ code: 'BERTH_GRANT_OUTDATED' });
});

it('of, whose answer comes behind a stage by a later attach: the volume stays with that attach', async () => {
  await write(made);
  const here = keys();
  await here.take(clusters, volume, grant, soon());
  now += 60_000;
  const late = here.of(volume, async () => {
    await here.take(clusters, volume, undefined, soon());
    return registry;
  });
  expect((await late)?.user).toBe(userOf(grant));
  expect(await of(here)).toBeUndefined();
});

it('of, of more volumes than are kept: the one that was taken last is known', async () => {
  entry = { grant };
  const here = keys();
  for (let n = 0; n < 2_000; n += 1) await here.take(clusters, `c1/rbd/v-${n}`, undefined, soon());
  await write(made);
  await here.take(clusters, volume, grant, soon());
  expect(await of(here)).toEqual([userOf(grant), 'the key']);
  await here.of('c1/rbd/v-1999', () => Promise.resolve(registry));
  expect(reads).toBe(0);
});

describe('of, after a restart of the driver', () => {
  it('a volume that was staged by a user of its own: his key is read again', async () => {
    await write(made);
    entry = { grant, ownUser: true };
    expect(await of(keys())).toEqual([userOf(grant), 'the key']);
  });

  it('a volume that was staged by the node’s own user: undefined, and the disk is read once', async () => {
    entry = { grant };
    const here = keys();
    for (let n = 0; n < 3; n += 1) expect(await of(here)).toBeUndefined();
    expect([rbd.calls, reads]).toEqual([[], 1]);
  });

  it('a volume that was staged by nobody: undefined, and nobody is asked', async () => {
    expect(await of(keys())).toBeUndefined();
    expect(rbd.calls).toEqual([]);
  });
});
