/** Where a load runs: in the guest or on the host, with the volume at /volume of a tree with fio and MariaDB. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SandboxGuest } from '../../src/dev/guest/sandbox-guest.js';
import { containerOf, HostPod } from '../../src/dev/workload/host-pod.js';
import { SERVER } from '../../src/dev/workload/mariadb-pod.js';
import type { MariadbTree } from '../../src/dev/workload/mariadb-tree.js';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';

export interface Place {
  /** One program of the tree; its standard output. */
  program(argv: readonly string[]): Promise<string>;
  /** A line of the shell, in the root directory of the volume. */
  shell(line: string): Promise<string>;
  /** MariaDB on the volume until `work`, which is given a client's address, has ended. */
  serving(work: (address: readonly string[]) => Promise<void>): Promise<void>;
}

/** A load that takes longer hangs, ms. */
const HUNG_MS = 1_200_000;
const POLL_MS = 300;
/** Beside those of the tree's etc/berth.cnf; all that is acknowledged is on the disk. */
const SETTINGS = ['--innodb-buffer-pool-size=64M'];
/** Where the guest has the tree. */
const ROOT = '/tree';

const soon = (): Deadline => Deadline.after(HUNG_MS);

async function answers(place: Place, address: readonly string[]): Promise<void> {
  const until = soon();
  const ask = ['/usr/bin/mariadb', '--no-defaults', '--user=root', ...address, '--execute=SELECT 1'];
  for (;;) {
    const [answer] = await Promise.allSettled([place.program(ask)]);
    if (answer.status === 'fulfilled') return;
    if (until.expired) throw answer.reason;
    await sleep(POLL_MS);
  }
}

const shutDown = (place: Place, address: readonly string[]): Promise<string> =>
  place.program(['/usr/bin/mariadb', '--no-defaults', '--user=root', ...address, '--execute=SHUTDOWN']);

const words = (argv: readonly string[]): string => argv.map((one) => `'${one}'`).join(' ');

/** Once, after the boot: the tree with what its programs want. */
export async function furnish(guest: SandboxGuest): Promise<void> {
  await guest.sh(`mkdir -p ${ROOT} && mount -t ext4 -o ro /dev/vda ${ROOT}`);
  for (const name of ['run', 'tmp']) await guest.sh(`mount -t tmpfs tmpfs ${ROOT}/${name}`);
  await guest.sh(`mount --bind /dev ${ROOT}/dev && mount -t proc proc ${ROOT}/proc`);
}

/** @param volume where the guest has mounted the volume */
export async function inGuest(
  guest: SandboxGuest,
  volume: string,
  work: (place: Place) => Promise<void>,
): Promise<void> {
  await guest.sh(`mount --bind ${volume} ${ROOT}/volume`);
  const place: Place = {
    program: (argv) => guest.sh(`chroot ${ROOT} ${words(argv)} 2>/dev/null </dev/null`, HUNG_MS),
    shell: (line) => guest.sh(`cd ${volume} && ${line}`, HUNG_MS),
    serving: async (use) => {
      const data = `${volume}/data`;
      await guest.sh(`[ -d ${data} ] || { cp -a ${ROOT}/template ${data} && sync; }`, HUNG_MS);
      const server = words([...SERVER, '--skip-networking', ...SETTINGS]);
      await guest.sh(`chroot ${ROOT} ${server} </dev/null >/dev/console 2>&1 & echo $! > /server`);
      const address = ['--socket=/run/mariadb.sock'];
      await answers(place, address);
      await use(address);
      await shutDown(place, address);
      await guest.sh('while [ -n "$(readlink /proc/$(cat /server)/exe)" ]; do sleep 0.2; done', HUNG_MS);
    },
  };
  await work(place);
  await guest.sh(`umount ${ROOT}/volume`, HUNG_MS);
}

/** @param directory of this bench; `volume` is where the host has mounted the volume */
export async function onHost(
  mariadb: MariadbTree,
  directory: string,
  volume: string,
  work: (place: Place) => Promise<void>,
): Promise<void> {
  const root = path.join(directory, 'container');
  const pod = path.join(directory, 'pod');
  for (const one of [root, pod]) await mkdir(one, { recursive: true });
  const place: Place = {
    program: async (argv) => {
      const { stdout } = await run('unshare', containerOf(mariadb.tree, root, volume, argv), { deadline: soon() });
      return stdout;
    },
    shell: async (line) => (await run('sh', ['-c', `cd ${volume} && ${line}`], { deadline: soon() })).stdout,
    serving: async (use) => {
      const server = await HostPod.start(mariadb, pod, volume, SETTINGS);
      try {
        await answers(place, server.address);
        await use(server.address);
        await shutDown(place, server.address);
        await server.ended();
      } finally {
        await server.kill();
      }
    },
  };
  await work(place);
}
