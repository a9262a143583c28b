/** A cluster asks for what the kernel's client does not know: Berth refuses the map by name, which else would hang. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';
import { pollUntil } from '../../src/model/time-limit.js';
import { KrbdMapper } from '../../src/rbd/mapping/krbd/krbd-mapper.js';
import { get, put } from './inside/disk.js';
import { childrenOf, forget, probe, startNode, type Node } from './inside/driver.js';
import { nothingIsLeft, refused, refusedByDriver } from './inside/expect.js';
import { host } from './inside/host.js';
import { MiB, newImage, removeImages } from './inside/images.js';
import { mount, Volume } from './inside/volume.js';

/** Placement groups serve in a second where nothing else works; an emulated machine is asked late. */
const SETTLED_MS = 180_000;
/** A cluster that asks for something is asked again after ten seconds. */
const KNOWN_MS = 180_000;
const PROBE_MS = 10_000;
const FIRST_WITH_MSR = 19;

interface Group {
  readonly pgid: string;
  readonly state: string;
  readonly acting: readonly number[];
  readonly acting_primary: number;
}

/** Not the one with the volumes: the monitors do not ask which pool a client is for. */
const POOL = 'moved';
const ceph = async (...args: string[]): Promise<string> => host.ceph(...args);

/** Its placement groups, once each of them serves from two OSDs. */
async function groupsOfTwo(): Promise<readonly Group[]> {
  const look = async (): Promise<readonly Group[] | undefined> => {
    const text = await ceph('pg', 'ls-by-pool', POOL, '--format', 'json');
    const { pg_stats: groups } = JSON.parse(text) as { readonly pg_stats: readonly Group[] };
    const settled = groups.every(({ state, acting }) => state === 'active+clean' && acting.length === 2);
    return settled && groups.length > 0 ? groups : undefined;
  };
  return pollUntil(look, 'every placement group to have two OSDs', Deadline.after(SETTLED_MS));
}

/** The driver begins anew: what it was told of the cluster before holds for ten minutes. */
async function startedAnew(node: Node): Promise<Node> {
  await node.stop();
  return startNode(node.name, { until: 'listening' });
}

const isNotReadyFor = async (node: Node, words: RegExp): Promise<void> => {
  const said = async (): Promise<true | undefined> => (words.test(await node.log()) ? true : undefined);
  await pollUntil(said, `the driver to say ${words}`, Deadline.after(KNOWN_MS));
  assert.equal(await probe(node, PROBE_MS), false);
};

/** The cluster was told to ask for nothing new any more; the driver notices by itself. */
async function stagedInTime(volume: Volume): Promise<void> {
  const stage = (): Promise<true | undefined> =>
    volume.stage().then(
      () => true,
      () => undefined,
    );
  await pollUntil(stage, 'the volume to be staged', Deadline.after(KNOWN_MS));
}

let node: Node;
let volume: Volume;
/** Whichever driver runs now: the volume keeps it over a restart. */
const running: Node = {
  get name() {
    return node.name;
  },
  get directory() {
    return node.directory;
  },
  get client() {
    return node.client;
  },
  get driver() {
    return node.driver;
  },
  log: () => node.log(),
  stop: () => node.stop(),
};

describe('a node on the kernel´s client', () => {
  before(async () => {
    node = await startNode('limits-node');
    volume = await Volume.create(running, mount('ext4'), 32 * MiB, { mounter: 'krbd' });
    await volume.attach();
    await volume.stage();
    await put(volume.staging, 'from before');
    await volume.unstage();
  });
  after(async () => {
    await nothingIsLeft();
    await removeImages();
    await volume.detach();
    await volume.remove();
    await node.stop();
    await forget(node);
  });

  describe('and a pool, another one, whose primaries were chosen by hand', () => {
    let moved: readonly Group[] = [];
    before(async () => {
      await ceph('osd', 'set-require-min-compat-client', 'reef', '--yes-i-really-mean-it');
      await host.addOsd();
      await ceph('osd', 'pool', 'create', POOL, '8');
      await ceph('osd', 'pool', 'set', POOL, 'size', '2');
      moved = await groupsOfTwo();
      for (const { pgid, acting, acting_primary: primary } of moved) {
        await ceph('osd', 'pg-upmap-primary', pgid, String(acting.find((one) => one !== primary)));
      }
      node = await startedAnew(node);
    });
    after(async () => {
      await host.removeOsd();
      await ceph('osd', 'pool', 'set', POOL, 'size', '1', '--yes-i-really-mean-it');
    });

    it('maps nothing without the question: the kernel tries in vain until rbd is killed', async () => {
      const unasked = new KrbdMapper({ exec: run, runtimeDir: `${node.directory}/unasked` });
      await refused(unasked.map(await newImage(), Deadline.after(30_000)), 'BERTH_DEADLINE');
      await nothingIsLeft();
    });

    it('NodeStage: refused with what to do, and Probe says so; nothing was mapped, and no rbd waits', async () => {
      await refusedByDriver(
        volume.stage(),
        status.FAILED_PRECONDITION,
        new RegExp(`BERTH_MAPPER_UNAVAILABLE.*chosen by hand in pool ${POOL}, .*rm-pg-upmap-primary`),
      );
      await isNotReadyFor(node, /kernel-client: .*pg-upmap-primary/);
      await nothingIsLeft();
      assert.deepEqual(await childrenOf(node), []);
    });

    it('NodeStage, once the choice was taken back: staged, and the data is there', async () => {
      for (const { pgid } of moved) await ceph('osd', 'rm-pg-upmap-primary', pgid);
      await stagedInTime(volume);
      assert.equal(await get(volume.staging), 'from before');
      await volume.unstage();
    });
  });

  it('NodeStage with a CRUSH rule of type MSR: refused with what to do, staged once the rule is gone', async (t) => {
    const release = Number(/\d+/.exec(await ceph('version'))?.[0]);
    if (release < FIRST_WITH_MSR) {
      t.skip(`Ceph ${release} knows no such rule`);
      return;
    }
    await ceph('osd', 'set-require-min-compat-client', 'squid', '--yes-i-really-mean-it');
    const shape = ['k=2', 'm=1', 'crush-failure-domain=osd', 'crush-osds-per-failure-domain=2'];
    await ceph('osd', 'erasure-code-profile', 'set', 'msr', ...shape, 'crush-num-failure-domains=2');
    await ceph('osd', 'crush', 'rule', 'create-erasure', 'msr', 'msr');
    node = await startedAnew(node);
    await refusedByDriver(
      volume.stage(),
      status.FAILED_PRECONDITION,
      /BERTH_MAPPER_UNAVAILABLE.*CRUSH rule of type MSR.*crush rule rm/,
    );
    await isNotReadyFor(node, /kernel-client: .*MSR/);
    await nothingIsLeft();
    await ceph('osd', 'crush', 'rule', 'rm', 'msr');
    await stagedInTime(volume);
    assert.equal(await get(volume.staging), 'from before');
    await volume.unstage();
  });
});
