/** The fake keeps the contract that librbd keeps, and fails when a test wants it to. */
import { describe, expect, it } from 'vitest';
import { berthError } from '../../../src/model/errors.js';
import { Secret } from '../../../src/model/secret.js';
import type { ImageRef, PoolRef } from '../../../src/rbd/port.js';
import { MemoryRbd } from '../../fakes/rbd-memory.js';
import { describeBlocklist } from '../../integration/rbd/blocklist.contract.js';
import { describeInterruptedCreate } from '../../integration/rbd/interrupted-create.contract.js';
import { describeImageIdentity } from '../../integration/rbd/image-identity.contract.js';
import { describeLocks } from '../../integration/rbd/locks.contract.js';
import { describeClones } from '../../integration/rbd/clones.contract.js';
import { describeDiffs } from '../../integration/rbd/diff.contract.js';
import { describeSnapshots } from '../../integration/rbd/snapshots.contract.js';
import { describeRename } from '../../integration/rbd/rename.contract.js';
import { describeRbdPort, refused, soon, spec, type PortFixture } from '../../integration/rbd/port.contract.js';

const access = { cluster: 'fake', monitors: ['192.0.2.1'], user: 'u', key: new Secret('k') };
let nonce = 4242;
const at: PoolRef = { access, pool: 'pool', namespace: 'ours' };

const prepare = (): Promise<PortFixture> => {
  const port = new MemoryRbd('pool/ours');
  const image = (one: ImageRef) => port.image(one)!;
  return Promise.resolve({
    port,
    at,
    write: (one) => Promise.resolve(void (image(one).written = true)),
    snapshot: (one, name) => Promise.resolve(void image(one).snapshots.push(name)),
    removeSnapshot: (one) => Promise.resolve(void (image(one).snapshots = [])),
    lock: (one, id) => {
      image(one).locks = [{ id, locker: 'client.8', address: '10.0.0.8:0/1' }];
      return Promise.resolve(() => Promise.resolve(void (image(one).locks = [])));
    },
    halve: (one, left) => {
      port.halve(one, left === 'all but the header' ? 'damaged' : left === 'dead entry' ? left : 'name');
      return Promise.resolve();
    },
    // It knows no halves: a name is an image's or it is not.
    copyName: () => Promise.resolve(),
    watch: (one) => {
      const address = `10.0.0.7:0/${++nonce}`;
      image(one).watchers = [{ address, client: 7n }];
      return Promise.resolve({ address, stop: () => Promise.resolve(void (image(one).watchers = [])) });
    },
    close: () => port.close(),
  });
};
describeRbdPort('the fake', prepare);
describeBlocklist('the fake', prepare);
describeInterruptedCreate('the fake', prepare);
describeImageIdentity('the fake', prepare);
describeLocks('the fake', prepare);
describeSnapshots('the fake', prepare);
describeRename('the fake', prepare);
describeClones('the fake', prepare);
describeDiffs('the fake', prepare);

describe('the fake', () => {
  it('fails the next call of an operation as told, once', async () => {
    const port = new MemoryRbd('pool/ours');
    port.failNext('createImage', () => berthError('BERTH_CEPH_FULL', { pool: 'pool' }));
    const image = { ...at, image: 'a' };
    expect(await port.head(image, soon())).toBeUndefined();
    await refused(port.createImage(image, spec(), soon()), 'BERTH_CEPH_FULL');
    expect(port.image(image)).toBeUndefined();
    await port.createImage(image, spec(), soon());
    expect(port.calls.map(({ operation }) => operation)).toEqual(['head', 'createImage', 'createImage']);
  });
});
