/** How small a guest may be: the memory at which MariaDB starts in it, and lives through the load. */
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { say } from '../../src/dev/say.js';
import { GuestPods, type GuestPod } from '../../src/dev/workload/guest-pods.js';
import { mariadbTree, type MariadbTree } from '../../src/dev/workload/mariadb-tree.js';
import { ext4, MiB, RWOP } from '../integration/csi/capabilities.js';
import type { Driver } from '../integration/csi/driver.js';
import { Site } from '../integration/csi/site.js';
import { Database } from './database.js';

const SIZES_MIB = [64, 96, 128, 256, 512];
/** Of these and more it has to live. */
const ENOUGH_MIB = 256;
const COMMITS = 100;
const MOST_MS = 1_800_000;

let site: Site;
let node: Driver;
let mariadb: MariadbTree;
let guests: GuestPods;

beforeAll(async () => {
  mariadb = await mariadbTree(say);
  site = await Site.open('dbm');
  node = await site.driver('node-one').start();
  guests = await GuestPods.open(path.join(site.directory, 'g'), mariadb, say);
});
afterAll(() => site.close());

/** What the guest's kernel says when it has no memory left, or the end of what the server says. */
const reasonIn = (log: string): string =>
  /Out of memory: Killed process.*|Kernel panic.*|page allocation failure.*/.exec(log)?.[0] ??
  log.trim().split('\n').slice(-2).join(' ');

async function live(memoryMib: number, target: string): Promise<string> {
  let pod: GuestPod | undefined;
  try {
    pod = await guests.kata(`m${memoryMib}`, target, node.kataRecords, { memoryMib });
    const notes = path.join(site.directory, `acknowledged-${memoryMib}`);
    const database = await Database.open(pod, mariadb.tree, notes);
    try {
      await database.load();
      await database.commits(COMMITS);
      const free = await pod.guest.sh("grep -E 'MemTotal|MemAvailable' /proc/meminfo | tr -s ' \\n' ' '");
      const acknowledged = await database.stop();
      return `lives: ${[...acknowledged.values()].reduce((sum, one) => sum + one, 0)} commits; ${free}`;
    } finally {
      await database.close();
    }
  } catch (error) {
    const log = (await pod?.log()) ?? String(error);
    return `dies: ${reasonIn(log)}`;
  } finally {
    await pod?.kill();
  }
}

it(
  'MariaDB in guests of 64 to 512 MiB: lives in those that are large enough',
  async () => {
    const volume = await site.create(node, ext4(RWOP), { sizeBytes: 256 * MiB, parameters: { sandbox: 'kata' } });
    const found = new Map<number, string>();
    for (const memoryMib of SIZES_MIB) {
      const outcome = await live(memoryMib, await volume.bring(node));
      await volume.leave(node);
      say(`${memoryMib} MiB: ${outcome}`);
      found.set(memoryMib, outcome);
    }
    for (const [memoryMib, outcome] of found) if (memoryMib >= ENOUGH_MIB) expect(outcome).toMatch(/^lives/);
    await site.endVolumes();
  },
  MOST_MS,
);
