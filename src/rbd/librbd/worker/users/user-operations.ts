/** The operations of the port on cephx users of single images. */
import { constants } from 'node:os';
import type { Deadline } from '../../../../model/deadline.js';
import type { ImageObjects, UserCaps, UserPort } from '../../../port/user-port.js';
import { CephErrno } from '../../ceph-errors.js';
import { Decoder } from '../../foreign/ceph-encoding.js';
import { parentIn, poolName } from '../clone/clone-parent.js';
import type { ClusterConnection } from '../cluster-connection.js';
import type { Connections } from '../connections.js';
import { header, PARENT, rbdClass, unlessImageAbsent } from '../image-header.js';
import { field, monAct, monCommand } from '../mon-command.js';
import { callClasses } from '../object-operation.js';
import { withPool, type OpenPool } from '../open-pool.js';
import type { WireAccess, WorkerOperation } from '../../worker-messages.js';

const { EPROTO } = constants.errno;

type UserOperations = { readonly [Op in keyof UserPort]: WorkerOperation<Op> };

export function userOperations(connections: Connections): UserOperations {
  const inCluster = <T>(at: WireAccess, deadline: Deadline, work: (link: ClusterConnection) => Promise<T>) =>
    connections.use(at, deadline, `users of ${at.cluster}`, work);
  return {
    objectsById: (at, id, deadline) =>
      withPool(connections, at, undefined, deadline, `look at id ${id}`, (place) => readObjects(place, id)),
    makeUser: (at, user, caps, deadline) => inCluster(at, deadline, (link) => makeUser(link, user, caps)),
    dropUser: (at, user, deadline) =>
      inCluster(at, deadline, (link) => monAct(link, { prefix: 'auth rm', entity: `client.${user}` })),
  };
}

/** What a header says instead of a data pool where the data is in the image's own. */
const OWN_POOL = -1n;

const readObjects = (place: OpenPool, id: string): Promise<ImageObjects | undefined> =>
  unlessImageAbsent(place, async () => {
    const { link, io, at } = place;
    const asked = [rbdClass('get_object_prefix'), rbdClass('get_data_pool'), PARENT];
    const [prefix, dataPool, kin] = await callClasses(link.ceph, io, header(id), asked);
    const poolId = BigInt.asIntN(64, new Decoder(dataPool ?? Buffer.alloc(0)).u64());
    const pool = poolId === OWN_POOL ? at.pool : await poolName(place, poolId);
    return {
      data: { pool, prefix: new Decoder(prefix ?? Buffer.alloc(0)).text() },
      parent: await parentIn(place, kin),
    };
  });

/** @throws CephErrno EACCES, EINVAL where he is there with other caps */
async function makeUser(link: ClusterConnection, user: string, { mon, mgr, mds, osd }: UserCaps): Promise<string> {
  const caps = ['mon', mon, 'mgr', mgr, 'mds', mds, 'osd', osd];
  const answer = await monCommand(link, { prefix: 'auth get-or-create', entity: `client.${user}`, caps });
  const [made] = Array.isArray(answer) ? (answer as unknown[]) : [];
  const key = field(made, 'key');
  if (typeof key !== 'string') throw new CephErrno(-EPROTO, `make user client.${user}`);
  return key;
}
