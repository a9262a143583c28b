/** Nobody on the node is waited for: without udevd, with its directory hidden, from another network namespace. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { run } from '../../src/host/process/exec.js';
import { get, put, soon } from './inside/disk.js';
import { forget, startNode, type Node } from './inside/driver.js';
import { nothingIsLeft } from './inside/expect.js';
import { MiB } from './inside/images.js';
import { session } from './inside/session.js';
import { withoutUdevd } from './inside/udevd.js';
import { mount, Volume } from './inside/volume.js';

/**
 * A generous multiple of the same steps with udevd, plus this, ms: what waits for udev waits for ever, and the machine
 * may be busy.
 */
const FACTOR = 3;
const NOISE_MS = 30_000;

interface Took {
  readonly stage: number;
  readonly unstage: number;
}

async function timed(job: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await job();
  return performance.now() - started;
}

/** A volume comes, is written to, and goes; how long the node took for its two parts, ms. */
async function comeAndGo(node: Node, mounter: string): Promise<Took> {
  const volume = await Volume.create(node, mount('ext4'), 32 * MiB, { mounter });
  await volume.attach();
  const stage = await timed(() => volume.stage());
  await put(volume.staging, 'nobody was waited for');
  assert.equal(await get(volume.staging), 'nobody was waited for');
  const unstage = await timed(() => volume.unstage());
  await volume.detach();
  await volume.remove();
  return { stage, unstage };
}

function assertUsual(took: Took, usual: Took): void {
  for (const part of ['stage', 'unstage'] as const) {
    const [ms, limit] = [took[part], FACTOR * usual[part] + NOISE_MS];
    assert.ok(ms < limit, `${part} took ${Math.round(ms)} ms, with udevd ${Math.round(usual[part])} ms`);
  }
}

/**
 * Its own view of /run, in which udevd's directory is empty, as in a container; mounts elsewhere are seen by everybody.
 */
const HIDDEN = [
  ...['unshare', '--mount', '--propagation', 'unchanged', 'sh', '-c'],
  'mount --make-private /run && mount -t tmpfs hidden /run/udev && exec "$0" "$@"',
];

const NETWORK = 'berth-vm-elsewhere';

/** A network namespace that reaches the cluster over an interface of its own. */
async function makeNetwork(): Promise<readonly string[]> {
  const ip = (...args: string[]) => run('ip', args, { deadline: soon() });
  const { stdout } = await ip('-o', 'route', 'show', 'default');
  const parent = / dev (\S+)/.exec(stdout)?.[1] ?? '';
  await ip('netns', 'add', NETWORK);
  await ip('link', 'add', 'elsewhere', 'link', parent, 'netns', NETWORK, 'type', 'macvlan', 'mode', 'bridge');
  const there = (...args: string[]) => ip('-n', NETWORK, ...args);
  await there('address', 'add', '10.0.2.16/24', 'dev', 'elsewhere');
  for (const device of ['lo', 'elsewhere']) await there('link', 'set', device, 'up');
  await there('route', 'add', 'default', 'via', '10.0.2.2');
  return ['nsenter', `--net=/run/netns/${NETWORK}`];
}

async function drive(name: string, within: readonly string[], job: (node: Node) => Promise<void>): Promise<void> {
  const node = await startNode(name, { within });
  try {
    await job(node);
  } catch (error) {
    process.stdout.write(await node.log());
    throw error;
  } finally {
    await node.stop();
  }
  await forget(node);
}

describe('a driver that nobody tells of devices', () => {
  const usual = new Map<string, Took>();

  async function asUsual(node: Node, mounter: string, test: TestContext): Promise<void> {
    const took = await comeAndGo(node, mounter);
    test.diagnostic(`stage ${Math.round(took.stage)} ms, unstage ${Math.round(took.unstage)} ms`);
    const compared = usual.get(mounter);
    if (compared === undefined) usual.set(mounter, took);
    else assertUsual(took, compared);
  }

  after(nothingIsLeft);

  // One driver at a time: two of them on an emulated processor are slow to start.
  describe('in the namespaces of the host', () => {
    let node: Node;

    before(async () => {
      node = await startNode('plain');
    });
    after(async () => {
      await node.stop();
      await forget(node);
    });

    for (const mounter of ['krbd', 'nbd']) {
      it(`takes some time to stage and unstage by ${mounter} with udevd`, (test) => asUsual(node, mounter, test));

      it(`takes no longer by ${mounter} without udevd`, (test) => withoutUdevd(() => asUsual(node, mounter, test)));
    }
  });

  it('takes no longer where /run/udev is hidden from it', (test) =>
    drive('hidden', HIDDEN, (node) => asUsual(node, 'krbd', test)));

  // Somebody's own machine has no second address in the network of the cluster.
  it('takes no longer from another network namespace', { skip: !session.guest }, async (test) => {
    const within = await makeNetwork();
    await drive('elsewhere', within, (node) => asUsual(node, 'krbd', test));
    await run('ip', ['netns', 'delete', NETWORK], { deadline: soon() });
  });
});
