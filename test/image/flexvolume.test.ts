/** The FlexVolume driver that the image brings, installed by its own program on this machine as on a node. */
import { mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';

const { root, isForeign } = inject('image');
const soon = (): Deadline => Deadline.after(120_000);
/** The container of the installer's pod: its root read-only, the node's own below /node, one directory to write to. */
const CONTAINER = `set -eu
root=$1 scratch=$2 plugins=$3
shift 3
mount -t tmpfs layers "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/new"
mount -t overlay image -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/new"
mkdir -p "$scratch/new/node" "$scratch/new$plugins"
mount --rbind / "$scratch/new/node"
mount -o remount,bind,ro "$scratch/new/node"
mount --rbind "$plugins" "$scratch/new$plugins"
mount -o remount,ro "$scratch/new"
exec setpriv --bounding-set=-all,+sys_chroot --inh-caps=-all --no-new-privs \\
  chroot "$scratch/new" sh /opt/berth/flexvolume/install.sh --plugins "$plugins" --root=/node "$@"`;

let directory: string;
let plugins: string;
beforeAll(async () => {
  directory = await realpath(await mkdtemp(path.join(os.tmpdir(), 'berth-flex-image-')));
  plugins = path.join(directory, 'exec');
  for (const name of ['exec', 'scratch']) await mkdir(path.join(directory, name));
});
afterAll(() => rm(directory, { recursive: true }));

const installer = (...args: string[]) =>
  run(
    'unshare',
    [
      ...['--mount', '--propagation', 'private', '--', 'sh', '-c', CONTAINER, 'container', root],
      ...[path.join(directory, 'scratch'), plugins, ...args],
    ],
    { deadline: soon() },
  );
const DRIVER = ['--node=/usr/local/bin/node', '/opt/berth/dist/flexvolume/cephrbd.cjs'];
const says = async (...args: string[]): Promise<unknown> =>
  JSON.parse((await run(path.join(plugins, 'hyper~cephrbd/cephrbd'), args, { deadline: soon() })).stdout);

// Of another architecture it would run by the emulator only.
describe.skipIf(isForeign)('the FlexVolume driver of the image', () => {
  it('is installed from a container that may only change its root, and runs on the node', async () => {
    await installer('--socket', path.join(directory, 'no.sock'), ...DRIVER);
    expect(await says('init')).toMatchObject({ status: 'Success', capabilities: { attach: false } });
    expect(await says('mount', path.join(directory, 'pod'), '{}')).toMatchObject({
      status: 'Failure',
      message: expect.stringContaining('the node agent does not answer') as string,
    });
  });

  it('is left as it is by the next start of its pod, and removed on demand', async () => {
    const before = await readdir(path.join(plugins, 'hyper~cephrbd'));
    await installer('--socket', path.join(directory, 'no.sock'), ...DRIVER);
    expect(await readdir(path.join(plugins, 'hyper~cephrbd'))).toEqual(before);
    await installer('--remove');
    expect(await readdir(plugins)).toEqual([]);
  });
});
