/** Who has an image open that was handed over: this node's guest keeps it here, another node's does not. */
import { beforeEach, describe, expect, it } from 'vitest';
import { HOLDER_KEY, type Holder } from '../../../../../src/attachment/holder-record.js';
import type { JournalEntry } from '../../../../../src/journal/entry.js';
import { createVolume } from '../../../../../src/volume/controller/create/create-volume.js';
import { GuestClients, type GuestClientParts } from '../../../../../src/volume/node/handover/guest-clients.js';
import { readImageUse } from '../../../../../src/volume/node/handover/image-use.js';
import { Operations } from '../../../../../src/volume/operation/operations.js';
import type { MemoryImage } from '../../../../fakes/rbd-memory.js';
import { memoryCluster, creation, soon } from '../../controller/memory-cluster.js';
import { createParts, log } from '../../controller/use-case-parts.js';
import { nodeNamed } from '../../../../fakes/node-named.js';

const GUEST = { address: '127.0.0.1:0/77', client: 77n };
const recorded = { address: GUEST.address, client: 'client.77' };
const cluster = memoryCluster();
let still: readonly string[] = [];
let image: MemoryImage;
let volume: string;

beforeEach(async () => {
  ({ volume } = await createVolume(createParts(cluster), creation('v'), soon()));
  image = cluster.image('berth-v')!;
  image.watchers = [GUEST];
  still = [];
});

function record(holder: Partial<Holder>): void {
  const holders = [{ node: 'node-a', since: 'x', by: 'node', state: 'staged', ...holder }];
  const shape = { version: 1, mode: 'SINGLE_NODE_SINGLE_WRITER', access: 'mount', readOnly: false };
  image.metadata.set(HOLDER_KEY, JSON.stringify({ ...shape, holders }));
}

/** The node reaches the cluster as the controller does, for the clusters file of these tests has no other user. */
const clusters = () => ({
  all: () => cluster.clusters.all(),
  image: (at: Parameters<typeof cluster.clusters.image>[0]) => cluster.clusters.image(at, 'controller'),
});
const entryOf = (guestClients?: readonly string[]): JournalEntry =>
  ({
    ...{ version: 1, volume, fsid: 'f', stagingPath: '/pod', state: 'staged', handedTo: 'hyperd', mapper: 'nbd' },
    ...(guestClients === undefined ? {} : { guestClients }),
  }) as JournalEntry;
const use = (guestClients?: readonly string[]) =>
  readImageUse(
    {
      rbd: cluster.rbd,
      clusters: clusters(),
      self: nodeNamed('node-a'),
      stillGuests: () => Promise.resolve(still),
      log,
    },
    volume,
    entryOf(guestClients),
    soon(),
  );

describe('an image that was handed over and that nobody watches', () => {
  beforeEach(() => {
    image.watchers = [];
  });

  it('is closed where every virtual machine of the node runs, for Ceph would show it', async () => {
    record({});
    expect(await use([GUEST.address])).toEqual({ is: 'closed' });
  });

  it('may be open in a virtual machine that stands still, and writes when it goes on', async () => {
    record({});
    still = ['qemu-system-x86_64 (pid 4711, stopped)'];
    expect(await use()).toMatchObject({
      is: 'open',
      who: expect.stringMatching(/pid 4711, stopped.*stands still/) as string,
    });
  });

  it('is closed where the record is not this node’s any more: its guest was fenced', async () => {
    record({ node: 'node-b', state: 'staged' });
    still = ['qemu-system-x86_64 (pid 4711, stopped)'];
    expect(await use([GUEST.address])).toEqual({ is: 'closed' });
  });
});

describe('an image that was handed over is open', () => {
  it('at this node’s guest while the record names this node, known or not', async () => {
    record({});
    expect(await use()).toEqual({ is: 'open', who: 'client.77 at 127.0.0.1:0/77' });
    expect(await use([GUEST.address])).toMatchObject({ is: 'open' });
  });

  it('at this node’s guest that is known, though another node was given the image since', async () => {
    record({ node: 'node-b', state: 'granted' });
    expect(await use([GUEST.address])).toMatchObject({ is: 'open' });
    expect(await use()).toEqual({ is: 'closed' });
  });

  it('at another node’s client by the record, whatever it was taken for before', async () => {
    record({ node: 'node-b', clients: [recorded] });
    expect(await use([GUEST.address])).toEqual({ is: 'closed' });
  });
});

describe('the client of a guest is recorded', () => {
  const round = async (): Promise<readonly JournalEntry[]> => {
    const written: JournalEntry[] = [];
    const entry = entryOf();
    const journal = {
      read: () => Promise.resolve(entry),
      write: (one: JournalEntry) => Promise.resolve(void written.push(one)),
    };
    const holderRecords = { recordStaged: () => cluster.rbd.head(cluster.at('berth-v'), soon()) };
    const own = {
      clusters: clusters(),
      journal,
      holderRecords,
      operations: new Operations(),
      self: nodeNamed('node-a'),
      log,
    };
    await new GuestClients({ rbd: cluster.rbd, ...own } as unknown as GuestClientParts).round([entry], () => false);
    return written;
  };

  it('while the record names this node', async () => {
    record({});
    image.watchers = [{ ...GUEST, address: cluster.rbd.instance.replace(/\d+$/, '77') }];
    expect(await round()).toMatchObject([{ guestClients: [image.watchers[0]?.address] }]);
  });

  it.each<Partial<Holder>>([{ node: 'node-b' }, { state: 'granted' }, { state: 'released' }])(
    'never while the record says %j: it is somebody else’s',
    async (holder) => {
      record(holder);
      image.watchers = [{ ...GUEST, address: cluster.rbd.instance.replace(/\d+$/, '77') }];
      expect(await round()).toEqual([]);
    },
  );
});
