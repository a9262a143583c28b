/**
 * What `berth doctor` and `berth trace` say of a real cluster that is sick: its pool full, by quota and by its disks,
 * an object damaged, its OSD gone, its monitor gone. BERTH_SICK=1 for all but the quota.
 */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { adminOf, type Admin } from '../../../src/dev/ceph/admin.js';
import { clusterUp, type Cluster } from '../../../src/dev/ceph/cluster.js';
import { runningDaemons, startDaemon, type DaemonKind } from '../../../src/dev/ceph/daemons.js';
import { clusterDown } from '../../../src/dev/ceph/down.js';
import { layoutOf } from '../../../src/dev/ceph/layout.js';
import { stopProcesses } from '../../../src/dev/processes.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import type { Finding } from '../../../src/model/finding.js';
import { placementOf } from '../../../src/rbd/placement.js';
import { admin, cluster, isolatedPool, scratchDirectory, type IsolatedPool } from '../ceph.js';

const PROGRAM = path.resolve('dist/dev/driver-program.js');
const soon = () => Deadline.after(60_000);
const POLL = { timeout: 50_000, interval: 500 };
let directory: string;

interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const berth = (file: string, words: readonly string[], input = ''): Promise<Answer> =>
  new Promise((resolve) => {
    const common = ['--clusters', file, '--services', 'controller', '--kubernetes', 'off'];
    const child = execFile(process.execPath, [PROGRAM, ...words, ...common], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
    child.stdin?.end(input);
  });

async function healthBy(file: string, id: string): Promise<string> {
  const { stdout } = await berth(file, ['doctor', '--json']);
  const { findings } = JSON.parse(stdout) as { readonly findings: readonly Finding[] };
  return findings.find(({ name }) => name === `health ${id}`)?.says ?? '';
}

async function writeClusters(
  id: string,
  { monitors }: { readonly monitors: readonly string[] },
  pool: string,
  user: { readonly id: string; readonly key: string },
): Promise<string> {
  const [file, keyFile] = [path.join(directory, `${id}.yaml`), path.join(directory, `${id}.key`)];
  await writeFile(keyFile, user.key, { mode: 0o600 });
  const users = { controller: { id: user.id, keyFile } };
  await writeFile(file, stringify({ clusters: [{ id, monitors: [...monitors], pools: [{ name: pool }], users }] }));
  return file;
}

/** With data in its first two objects. */
async function imageIn(by: Admin, pool: string, image: string): Promise<string> {
  await by.rbd(['create', `${pool}/${image}`, '--size', '64M'], soon());
  const size = ['--io-size', '4M', '--io-total', '8M', '--io-threads', '1'];
  await by.rbd(['bench', '--io-type', 'write', ...size, `${pool}/${image}`], soon());
  const info = await by.rbd(['info', `${pool}/${image}`, '--format', 'json'], soon());
  return (JSON.parse(info) as { readonly id: string }).id;
}

beforeAll(async () => {
  directory = await scratchDirectory('ill');
});

describe('a pool that is over its quota', () => {
  let place: IsolatedPool;
  beforeAll(async () => {
    place = await isolatedPool('ill');
  });
  afterAll(() => place.remove());

  it('is named by doctor, and by trace as what breaks the volume, until the quota is raised', async () => {
    const { user, key } = place.access;
    const file = await writeClusters('shared', cluster(), place.pool, { id: user, key: key.reveal() });
    await imageIn(admin(), place.pool, 'full');
    await admin().ceph(['osd', 'pool', 'set-quota', place.pool, 'max_bytes', '1048576'], soon());
    const full = `pool '${place.pool}' is full (running out of quota)`;
    await expect.poll(() => healthBy(file, 'shared'), POLL).toContain(full);
    expect(await healthBy(file, 'shared')).toMatch(
      /POOL_FULL: .* \(a full pool lets nobody write: "The pool is full"\)/,
    );
    const traced = await berth(file, ['trace', `${place.pool}/full`]);
    expect(traced.stdout).toContain(`\nbroken               image: PoolFull: ${full}; nobody writes there`);
    expect(traced.code).toBe(2);
    await admin().ceph(['osd', 'pool', 'set-quota', place.pool, 'max_bytes', '0'], soon());
    await expect.poll(() => healthBy(file, 'shared'), POLL).not.toContain(place.pool);
    expect((await berth(file, ['trace', `${place.pool}/full`])).stdout).not.toContain('PoolFull');
  });
});

describe.skipIf(process.env['BERTH_SICK'] === undefined)('a cluster of its own', () => {
  let sick: Cluster;
  let by: Admin;
  let file: string;
  let id: string;
  let pool: string;
  const layout = () => layoutOf(sick.directory);
  const says = () => healthBy(file, 'sick');
  const trace = (what: string, input?: string) => berth(file, ['trace', what], input);
  const stop = async (kind: DaemonKind): Promise<void> => {
    const daemon = (await runningDaemons(layout()))[kind];
    await stopProcesses(daemon === undefined ? [] : [daemon], 4_000, soon());
  };

  beforeAll(async () => {
    sick = await clusterUp(run, { directory: path.join(directory, 'ceph') }, Deadline.after(90_000));
    by = adminOf(run, layout());
    pool = sick.pools[0]!.name;
    const { controller } = sick.users;
    file = await writeClusters('sick', sick, pool, { id: controller.id, key: controller.key.reveal() });
    id = await imageIn(by, pool, 'mine');
    await by.rbd(['create', `${pool}/tiny`, '--size', '1'], soon());
    await by.ceph(['config', 'set', 'global', 'mon_pg_stuck_threshold', '1'], soon());
  });
  afterAll(() => clusterDown(sick.directory, soon()));

  it('whose disks are nearly full, then full: doctor says so, and trace once nobody can write', async () => {
    const ratios = async (near: string, backfill: string, full: string): Promise<void> => {
      await by.ceph(['osd', 'set-nearfull-ratio', near], soon());
      await by.ceph(['osd', 'set-backfillfull-ratio', backfill], soon());
      await by.ceph(['osd', 'set-full-ratio', full], soon());
    };
    await ratios('0.0001', '0.9', '0.95');
    await expect.poll(says, POLL).toMatch(/OSD_NEARFULL: 1 nearfull osd\(s\): osd\.0 is near full/);
    expect(await says()).toContain(`pool '${pool}' is nearfull`);
    expect((await trace(`${pool}/mine`)).stdout).toMatch(/^broken {15}nothing/m);
    await ratios('0.0001', '0.0002', '0.0003');
    await expect.poll(says, POLL).toMatch(/OSD_FULL: 1 full osd\(s\): osd\.0 is full/);
    const { stdout, code } = await trace(`${pool}/mine`);
    expect(stdout).toMatch(/^broken {15}image: PoolFull: pool '\S+' is full \(no space\); nobody writes there/m);
    expect(code).toBe(2);
    await ratios('0.85', '0.9', '0.95');
    await expect.poll(says, POLL).not.toContain('FULL');
  });

  it('with a damaged object: doctor names its group, trace the volumes that may have it, and whose it is', async () => {
    const damaged = `rbd_data.${id}.0000000000000001`;
    const group = `1.${placementOf(damaged, '', 8).toString(16)}`;
    const mapped = JSON.parse(await by.ceph(['osd', 'map', pool, damaged, '--format', 'json'], soon())) as object;
    expect(mapped).toMatchObject({ pgid: group });
    await by.ceph(['tell', 'osd.0', 'truncobj', pool, damaged, '4096'], soon());
    await by.ceph(['pg', 'deep-scrub', group], soon());
    await expect.poll(says, POLL).toMatch(/PG_DAMAGED: Possible data damage: 1 pg inconsistent/);
    expect(await says()).toContain(`pg ${group} of pool ${pool} is active+clean+inconsistent`);
    expect(await says()).toContain('"PGs inconsistent"');
    const { stdout, code } = await trace(`${pool}/mine`);
    expect(stdout).toMatch(
      new RegExp(`^broken +image: ObjectsDamaged: pg ${group} of .*, where rbd_\\w+\\.${id}`, 'm'),
    );
    expect(code).toBe(2);
    // One that has a single object of data, elsewhere: nothing of it is there.
    const tiny = JSON.parse(await by.rbd(['info', `${pool}/tiny`, '--format', 'json'], soon())) as { id: string };
    const own = ['rbd_header', 'rbd_object_map', 'rbd_data'].map((kind) => `${kind}.${tiny.id}`);
    const names = [...own.slice(0, 2), `${own[2] ?? ''}.0000000000000000`, 'rbd_id.tiny'];
    const isThere = names.some((name) => `1.${placementOf(name, '', 8).toString(16)}` === group);
    expect((await trace(`${pool}/tiny`)).stdout.includes('ObjectsDamaged')).toBe(isThere);
    // What the OSD says of it, as it comes.
    const log = await by.ceph(['log', 'last', '20'], soon());
    expect(log).toContain(damaged);
    const whose = await trace('-', log);
    expect(whose.stdout).toMatch(new RegExp(`^volume +sick/${pool}/mine: ${damaged}; claim none`, 'm'));
  });

  it('whose OSD has gone: doctor says so, then which groups do not serve, and trace names them', async () => {
    await stop('osd');
    await expect.poll(says, POLL).toMatch(/OSD_DOWN: 1 osds down: osd\.0 .*"Processes in D state, I\/O stands"/);
    await expect.poll(says, POLL).toMatch(/PG_AVAILABILITY: Reduced data availability: .* of pool \S+ is stuck stale/);
    const { stdout, code } = await trace(`${pool}/mine`);
    expect(stdout).toMatch(/^broken {15}image: ObjectsUnavailable: .*I\/O there waits, and goes on by itself/m);
    expect(stdout).toMatch(/^then {17}image: CephSilent: /m);
    expect(code).toBe(2);
    await startDaemon(run, layout(), 'osd', soon());
    await expect.poll(says, POLL).not.toMatch(/OSD_DOWN|PG_AVAILABILITY/);
  });

  it('whose monitor has gone: doctor fails, names it, and tells nobody to repeat a call', async () => {
    await stop('mon');
    const { stdout, code } = await berth(file, ['doctor', '--json']);
    const { findings } = JSON.parse(stdout) as { readonly findings: readonly Finding[] };
    const failed = findings.filter(({ level }) => level === 'failed').map(({ name, says: why }) => `${name}: ${why}`);
    expect(failed[0]).toMatch(/^monitor sick\/.*refuses connections/);
    expect(code).toBe(1);
    expect(stdout).not.toContain('may be repeated');
    await startDaemon(run, layout(), 'mon', soon());
    await expect.poll(says, POLL).toMatch(/^HEALTH_|PG_DAMAGED/);
  });
});
