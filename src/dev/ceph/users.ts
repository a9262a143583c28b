/** The cephx users of a development cluster and their caps (docs/ceph-users.md says what each cap is for). */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isThere } from '../../host/is-there.js';
import type { Exec } from '../../host/process/exec.js';
import type { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { Secret } from '../../model/secret.js';
import type { Admin } from './admin.js';
import { keyringOf, type Layout } from './layout.js';
import { needsOldKeys } from './programs.js';

export interface CephUser {
  /** Without the `client.` prefix. */
  readonly id: string;
  readonly key: Secret;
}

export interface Caps {
  readonly mon: string;
  readonly osd?: string;
  readonly mgr?: string;
}

export const CONTROLLER = 'berth-controller';
export const NODE = 'berth-node';

const EVERYTHING: Caps = { mon: 'allow *', osd: 'allow *', mgr: 'allow *' };

/** What a node needs in these pools, all their namespaces included, and nothing of the manager. */
export const volumeCaps = (pools: readonly string[]): Caps => ({
  mon: 'profile rbd',
  osd: pools.map((pool) => `profile rbd pool=${pool}`).join(', '),
});

/**
 * What the controller needs: to renew a fence it takes it away and makes it again. `profile rbd` lets everybody put an
 * instance on the blocklist, for the exclusive lock; Ceph 14 and 15 know the command by its older name alone.
 */
export const controllerCaps = (pools: readonly string[]): Caps => ({
  ...volumeCaps(pools),
  mon: ['profile rbd', ...RENEW_FENCE].join(', '),
});

const RENEW_FENCE = [
  'allow command "osd blocklist" with blocklistop=rm',
  'allow command "osd blacklist" with blacklistop=rm',
];

/**
 * What a controller needs on top that makes users of volumes: users of that beginning, with no caps but those of
 * volumes in these pools. Each of the four daemons is named, for what a maker's cap does not name he may give away.
 */
export const userMakerCaps = (pools: readonly string[]): Caps => ({
  ...controllerCaps(pools),
  mon: [controllerCaps(pools).mon, makeUsers(pools), `allow command "auth rm" with ${VOLUME_USERS}`].join(', '),
});

const VOLUME_USERS = 'entity prefix client.berth-volume.';

const makeUsers = (pools: readonly string[]): string =>
  [
    `allow command "auth get-or-create" with ${VOLUME_USERS}`,
    'caps_mon="profile rbd" caps_mgr="allow command nothing" caps_mds="allow r path=/none"',
    `caps_osd regex '(allow ${RIGHTS} pool=(${pools.join('|')}) ${OBJECTS}(, )?)+'`,
  ].join(' ');

const RIGHTS = '(rwx|r class-read|class rbd [a-z_]+)';
const OBJECTS = 'namespace=(""|[A-Za-z0-9_./-]+) object_prefix rbd_[A-Za-z0-9_./-]+';

/**
 * What a node needs whose volumes have users of their own: its registration, and the keys of its own volumes.
 * @param node as `<installation>/<node>`
 */
export function ownNodeCaps(pools: readonly string[], registry: string, node: string): Caps {
  const there = `pool=${registry} namespace=""`;
  const osd = [
    ...pools.map((pool) => `allow r pool=${pool} object_prefix berth.`),
    `allow rw ${there} object_prefix berth.nodes`,
    `allow rw ${there} object_prefix berth.registry`,
    `allow r ${there} object_prefix "berth-keys/${node}/"`,
  ];
  return { mon: 'profile simple-rados-client', osd: osd.join(', ') };
}

/** Caps as arguments of `ceph auth get-or-create` and `ceph auth caps`. */
export const capArguments = (caps: Caps): readonly string[] =>
  Object.entries(caps).flatMap(([daemon, cap]: [string, string | undefined]) =>
    cap === undefined ? [] : [daemon, cap],
  );

const KEY_TYPE = (): readonly string[] => (needsOldKeys() ? ['--key-type', 'aes'] : []);

const section = (name: string, key: Secret, caps: Caps): string =>
  [`[${name}]`, `\tkey = ${key.reveal()}`]
    .concat(
      Object.entries(caps).map(([daemon, cap]) => `\tcaps ${daemon} = "${(cap as string).replaceAll('"', '\\"')}"`),
    )
    .join('\n') + '\n';

/** A fresh key of whatever type the cluster's Ceph makes; of the old one where its clients know no other. */
export async function newKey(exec: Exec, deadline: Deadline): Promise<Secret> {
  const { stdout } = await exec('ceph-authtool', [...KEY_TYPE(), '--gen-print-key'], { deadline });
  return new Secret(stdout.trim());
}

/** The key in a keyring file of ours; BERTH_CONFIG_INVALID where there is none. */
export async function readKey(layout: Layout, name: string): Promise<Secret> {
  const file = keyringOf(layout, name);
  const key = /^\s*key = (\S+)$/m.exec(await readFile(file, 'utf8'))?.[1];
  if (key === undefined) throw berthError('BERTH_CONFIG_INVALID', { file, why: 'there is no key in it' });
  return new Secret(key);
}

/** One more user, of a cluster that runs; again it is the same one with the same key. */
export async function addUser(
  exec: Exec,
  admin: Admin,
  layout: Layout,
  user: { readonly id: string; readonly caps: Caps },
  deadline: Deadline,
): Promise<CephUser> {
  const name = `client.${user.id}`;
  const file = keyringOf(layout, name);
  if (!(await isThere(file))) {
    const text = section(name, await newKey(exec, deadline), user.caps);
    await writeFile(file, text, { mode: 0o600 });
  }
  await admin.ceph(['auth', 'import', '-i', file], deadline);
  return { id: user.id, key: await readKey(layout, name) };
}

/**
 * Make keys for every daemon and user, one file each, and the monitor's initial keyring with all of them: the monitor
 * is born knowing everybody, which saves a second of `ceph auth` commands.
 */
export async function makeKeyrings(
  exec: Exec,
  layout: Layout,
  pools: readonly string[],
  deadline: Deadline,
): Promise<string> {
  const everybody: readonly (readonly [string, Caps])[] = [
    ['mon.', { mon: 'allow *' }],
    ['client.admin', EVERYTHING],
    ['mgr.x', { mon: 'allow profile mgr', osd: 'allow *' }],
    ['osd.0', { mon: 'allow profile osd', mgr: 'allow profile osd', osd: 'allow *' }],
    [`client.${CONTROLLER}`, controllerCaps(pools)],
    [`client.${NODE}`, volumeCaps(pools)],
  ];
  const sections = await Promise.all(
    everybody.map(async ([name, caps]) => {
      const text = section(name, await newKey(exec, deadline), caps);
      await writeFile(keyringOf(layout, name), text, { mode: 0o600 });
      return text;
    }),
  );
  const initial = path.join(layout.keys, 'initial.keyring');
  await writeFile(initial, sections.join('\n'), { mode: 0o600 });
  return initial;
}
