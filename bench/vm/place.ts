/** Where a load runs: in the guest or on the host, with the volume at /volume of a tree with fio and MariaDB. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SandboxGuest } from '../../src/dev/guest/sandbox-guest.js';
import { hideVolume, serverEnded, showVolume, startServer, TREE } from '../../src/dev/workload/guest-server.js';
import { containerOf, HostPod } from '../../src/dev/workload/host-pod.js';
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

/** @param volume where the guest, which has the tree, has mounted the volume */
export async function inGuest(
  guest: SandboxGuest,
  volume: string,
  work: (place: Place) => Promise<void>,
): Promise<void> {
  await showVolume(guest, volume);
  const place: Place = {
    program: (argv) => guest.sh(`chroot ${TREE} ${words(argv)} 2>/dev/null </dev/null`, HUNG_MS),
    shell: (line) => guest.sh(`cd ${volume} && ${line}`, HUNG_MS),
    serving: async (use) => {
      await startServer(guest, volume, ['--skip-networking', ...SETTINGS]);
      const address = ['--socket=/run/mariadb.sock'];
      await answers(place, address);
      await use(address);
      await shutDown(place, address);
      await serverEnded(guest);
    },
  };
  await work(place);
  await hideVolume(guest);
}

/** One program in a container of the host; its standard output. */
export async function containerRun(
  { tree }: MariadbTree,
  root: string,
  volume: string,
  argv: readonly string[],
): Promise<string> {
  await mkdir(root, { recursive: true });
  return (await run('unshare', containerOf(tree, root, volume, argv), { deadline: soon() })).stdout;
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
  await mkdir(pod, { recursive: true });
  const place: Place = {
    program: (argv) => containerRun(mariadb, root, volume, argv),
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
