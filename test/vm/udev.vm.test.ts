/** Nobody on the node is waited for: without udevd, with its directory hidden, from another network namespace. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { run } from '../../src/host/exec.js';
import { get, put, soon } from './inside/disk.js';
import { forget, startNode, type Node } from './inside/driver.js';
import { nothingIsLeft } from './inside/expect.js';
import { MiB } from './inside/images.js';
import { session } from './inside/session.js';
import { withoutUdevd } from './inside/udevd.js';
import { mount, Volume } from './inside/volume.js';

/** A generous multiple of the same steps with udevd, plus this, ms: other work on the machine is not what is measured. */
const FACTOR = 3;
const NOISE_MS = 10_000;

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

/** Its own view of /run, in which udevd's directory is empty, as in a container; mounts elsewhere are seen by everybody. */
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
  const node = await startNode(name, within);
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
  const mounters = ['krbd', 'nbd'] as const;
  const usual: Record<string, Took> = {};
  let plain: Node;

  const asUsual = async (node: Node, mounter: string): Promise<void> =>
    assertUsual(await comeAndGo(node, mounter), usual[mounter]!);

  before(async () => {
    plain = await startNode('plain');
    for (const mounter of mounters) usual[mounter] = await comeAndGo(plain, mounter);
  });
  after(async () => {
    await plain.stop();
    await nothingIsLeft();
    await forget(plain);
  });

  it('stages and unstages in the usual time without udevd', () =>
    withoutUdevd(async () => {
      for (const mounter of mounters) await asUsual(plain, mounter);
    }));

  it('stages and unstages in the usual time where /run/udev is hidden from it', () =>
    drive('hidden', HIDDEN, (node) => asUsual(node, 'krbd')));

  // Somebody's own machine has no second address in the network of the cluster.
  it('stages and unstages in the usual time from another network namespace', { skip: !session.guest }, async () => {
    const within = await makeNetwork();
    await drive('elsewhere', within, (node) => asUsual(node, 'krbd'));
    await run('ip', ['netns', 'delete', NETWORK], { deadline: soon() });
  });
});
