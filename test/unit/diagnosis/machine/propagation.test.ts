/** Whether mounts below the kubelet's root are shared with the host, from the mount tables of containers and hosts. */
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkPropagation } from '../../../../src/diagnosis/machine/propagation.js';

const HOST_PIDS = 'pid:[4026531836]';
let root: string;
let procRoot: string;
let kubelet: string;

beforeEach(async () => {
  root = await realpath(await mkdtemp(path.join(tmpdir(), 'berth-shared-')));
  procRoot = path.join(root, 'proc');
  kubelet = path.join(root, 'kubelet');
  for (const one of ['pods', 'plugins']) await mkdir(path.join(kubelet, one), { recursive: true });
  for (const one of ['self', '1']) await mkdir(path.join(procRoot, one, 'ns'), { recursive: true });
});
afterEach(() => rm(root, { recursive: true }));

const table = (of: 'self' | '1', ...lines: readonly string[]) =>
  writeFile(path.join(procRoot, of, 'mountinfo'), lines.join('\n'));
const check = () => checkPropagation({ procRoot, kubelet, driver: 'rbd.csi.berth.dev' });

let id = 20;
/** A mount of the host's disk, at `target`, showing `shown` of it. */
function line(target: string, optional: string, shown = target): string {
  id += 1;
  const ids = target === '/' ? '20 1' : `${id} 20`;
  return `${ids} 8:1 ${shown} ${target} rw,relatime${optional} - ext4 /dev/sda1 rw`;
}
const overlay = '20 1 0:50 / / rw - overlay overlay rw';
/** What a container is shown of the kubelet's root. */
const shown = (optional: string, from = kubelet): readonly string[] => [
  overlay,
  ...['pods', 'plugins'].map((one) => line(path.join(kubelet, one), optional, path.join(from, one))),
];

/** A container beside a host whose processes it sees. */
async function besideHost(own: readonly string[], host: readonly string[]): Promise<void> {
  await symlink(HOST_PIDS, path.join(procRoot, 'self/ns/pid'));
  await symlink('mnt:[2]', path.join(procRoot, 'self/ns/mnt'));
  await symlink('mnt:[1]', path.join(procRoot, '1/ns/mnt'));
  await table('self', ...own);
  await table('1', ...host);
}

it.each<[string, string, string]>([
  ['shared', ' shared:7', 'ok'],
  ['shared and received', ' shared:9 master:7', 'ok'],
  ['only received (HostToContainer)', ' master:7', 'failed'],
  ['private', '', 'failed'],
])('directories that are %s, host unknown', async (_, optional, level) => {
  await table('self', ...shown(optional));
  expect(await check()).toMatchObject({ level });
});

it('of the nearest mount above; one that is not shared is named', async () => {
  await table('self', line('/', ' shared:1'));
  expect(await check()).toMatchObject({ level: 'ok' });
  await table('self', line('/', ' shared:1'), line(path.join(kubelet, 'plugins'), ''));
  const { level, says } = await check();
  expect(level).toBe('failed');
  expect(says).toMatch(new RegExp(`^${kubelet}/plugins: not a shared mount.*Bidirectional`));
});

it('a root that is a link: what it leads to counts', async () => {
  const real = path.join(root, 'data');
  await mkdir(path.join(real, 'pods'), { recursive: true });
  await mkdir(path.join(real, 'plugins'));
  await rm(kubelet, { recursive: true });
  await symlink(real, kubelet);
  await table('self', line('/', ''), line(real, ' shared:3'));
  expect(await check()).toMatchObject({ level: 'ok' });
});

it('a root that is not there is a failure, none at all is none', async () => {
  await table('self', line('/', ' shared:1'));
  await rm(path.join(kubelet, 'pods'), { recursive: true });
  expect(await check()).toMatchObject({
    level: 'failed',
    says: expect.stringMatching(/^there is no kubelet at .*pods is not there.*--kubelet-dir/) as string,
  });
  const none = await checkPropagation({ procRoot, kubelet: undefined, driver: 'd' });
  expect(none).toMatchObject({ level: 'ok' });
});

it('shared with the host: the group is one of pid 1’s, else the mounts stay in the container', async () => {
  await besideHost(shown(' shared:7'), [line('/', ' shared:7')]);
  expect(await check()).toMatchObject({ level: 'ok' });
  await table('1', line('/', ' shared:1'));
  expect(await check()).toMatchObject({
    level: 'failed',
    says: expect.stringMatching(/with no mount of the host.*Bidirectional/) as string,
  });
});

it.each<[string, string, string, string]>([
  ['FlexVolume’s stages', 'plugins/rbd.csi.berth.dev.flexvolume', '', 'failed'],
  ['the whole root', '', '', 'failed'],
  ['one pod', 'pods/1', '', 'failed'],
  ['the whole root, which hears of the host', '', ' master:7', 'ok'],
  ['the directory of the sockets', 'plugins/rbd.csi.berth.dev', '', 'ok'],
  ['what the kubelet keeps beside', 'plugins_registry', '', 'ok'],
])('a container that is shown %s at a second path: %s%s is %s', async (_, place, optional, level) => {
  const second = line('/csi', optional, path.join(kubelet, place));
  await besideHost([...shown(' shared:7'), second], [line('/', ' shared:7')]);
  const finding = await check();
  expect(finding).toMatchObject({ level });
  if (level === 'failed') expect(finding.says).toMatch(/^\/csi shows where volumes are mounted.*HostToContainer/);
});

it('a second path outside of containers keeps nothing', async () => {
  await besideHost([line('/', ' shared:7'), line('/srv/root', '', '/')], [line('/', ' shared:7')]);
  await rm(path.join(procRoot, 'self/ns/mnt'));
  await symlink('mnt:[1]', path.join(procRoot, 'self/ns/mnt'));
  expect(await check()).toMatchObject({ level: 'ok' });
});
