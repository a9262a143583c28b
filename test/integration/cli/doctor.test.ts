/**
 * The doctor as a real process beside a live driver: what he says, how he ends, and that he leaves everything as it
 * was.
 */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding, Level } from '../../../src/model/finding.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { cluster } from '../ceph.js';
import { ext4, SMALL_BYTES } from '../csi/capabilities.js';
import type { Driver } from '../csi/driver.js';
import { Site } from '../csi/site.js';

const SHIPPED = path.resolve('dist/src/main.js');
/** Built with the mapper of the drivers of these tests: machines that run them may have neither rbd nor nbd. */
const DEVELOPMENT = path.resolve('dist/dev/driver-program.js');
const CODES: Readonly<Record<Level, number>> = { ok: 0, warning: 2, failed: 1 };
/** Of type 2, aes256k, which librados knows from 20.2.4 and 19.2.6 on. */
const NEW_KEY = Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0]), Buffer.alloc(32, 7)]);
const knowsNewKeys = path.basename(process.env['BERTH_CLIENT_ROOT'] ?? '').startsWith('sid-');
let site: Site;
let driver: Driver;
let kubelet: string;
const soon = () => Deadline.after(60_000);

beforeAll(async () => {
  site = await Site.open('doctor');
  driver = await site.driver('live').start();
  kubelet = await site.kubelet();
});
afterAll(() => site.close());

interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const doctorOf = (program: string, args: readonly string[]): Promise<Answer> =>
  new Promise((resolve) => {
    execFile(process.execPath, [program, 'doctor', ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
const doctor = (...args: readonly string[]): Promise<Answer> => doctorOf(SHIPPED, args);
const doctorHere = (...args: readonly string[]): Promise<Answer> => doctorOf(DEVELOPMENT, args);

const report = (answer: Answer) => JSON.parse(answer.stdout) as { level: Level; findings: readonly Finding[] };
const common = () => ['--clusters', site.clustersFile, '--state-dir', driver.stateDir, '--kubelet-dir', kubelet];

describe('berth doctor', () => {
  it('beside a live driver, all in order: says so and touches nothing', async () => {
    const volume = await site.create(driver, ext4(), { sizeBytes: SMALL_BYTES });
    const target = await volume.bring(driver);
    await writeFile(path.join(target, 'file'), 'still here');
    const before = await readdir(driver.stateDir, { recursive: true });
    const nodes = await site.rbd('ls', site.pool);
    const answer = await doctorHere(...common(), '--json');
    const { level, findings } = report(answer);
    expect(answer.stderr).toBe('');
    expect(answer.code).toBe(CODES[level]);
    // What this machine itself lacks (a kept clock, a udev daemon, rbd in the kernel) are warnings at most.
    expect(findings.filter((one) => one.level === 'failed')).toEqual([]);
    const levelOf = (name: string) => findings.find((one) => one.name.startsWith(name))?.level;
    for (const name of [
      'state-directory',
      'mount-propagation',
      'mount',
      'ext4',
      'xfs',
      'monitor dev/',
      'cluster dev',
    ]) {
      expect(`${name}: ${levelOf(name) ?? 'missing'}`).toBe(`${name}: ok`);
    }
    expect(await readdir(driver.stateDir, { recursive: true })).toEqual(before);
    expect(await site.rbd('ls', site.pool)).toBe(nodes);
    expect(await readFile(path.join(target, 'file'), 'utf8')).toBe('still here');
    expect((await driver.identity.Probe({}, 3_000)).ready?.value).toBe(true);
    await site.endVolumes();
  });

  it('without --json: prints a table, of what the services need alone', async () => {
    const answer = await doctor(...common(), '--services', 'controller');
    expect(answer.stdout).toMatch(/^ok {7}monitor dev\/.* v2 \S+:\d+ answers in \d+ ms, v1 /m);
    expect(answer.stdout).toMatch(/^ok {7}cluster dev \(controller\) +[0-9a-f-]{36} lets in client\./m);
    expect(answer.stdout).toMatch(/\n\d+ ok, \d+ warnings, 0 failed\n$/);
    expect(answer.stdout).not.toMatch(/mount-propagation|mapper|\(node\)/);
    expect([0, 2]).toContain(answer.code);
  });

  it('cluster unreachable: ends with 1 and a reason, within its time', async () => {
    const file = path.join(site.directory, 'dead.yaml');
    await site.writeClusters({ monitors: ['127.213.9.1'] }, {}, file);
    const began = performance.now();
    const answer = await doctorHere(...common(), '--clusters', file, '--json');
    expect(performance.now() - began).toBeLessThan(50_000);
    expect(answer.code).toBe(1);
    const failed = report(answer).findings.filter(({ level }) => level === 'failed');
    expect(failed.map(({ name }) => name)).toEqual([
      ...['monitor dev/127.213.9.1', 'cluster dev (controller)', 'cluster dev (node)'],
    ]);
    expect(failed[0]!.says).toMatch(/v2 127.213.9.1:3300 refuses connections, v1 127.213.9.1:6789 refuses/);
    // Nobody called anything that could be repeated.
    expect(answer.stdout).not.toContain('may be repeated');
  });

  it('kubelet directory without mount propagation: ends with 1', async () => {
    const lonely = path.join(site.directory, 'lonely');
    for (const one of ['pods', 'plugins']) await mkdir(path.join(lonely, one), { recursive: true });
    await run('mount', ['--bind', lonely, lonely], { deadline: soon() });
    try {
      await run('mount', ['--make-private', lonely], { deadline: soon() });
      const answer = await doctor(...common(), '--kubelet-dir', lonely);
      expect(answer.code).toBe(1);
      expect(answer.stdout).toMatch(/^failed {3}mount-propagation .*Bidirectional/m);
    } finally {
      await run('umount', [lonely], { deadline: soon() });
    }
  });

  it('ends with 1 where --mounter names a mapper that is built into a development driver only', async () => {
    const answer = await doctor(...common(), '--mounter', 'loop', '--json');
    expect(answer.code).toBe(1);
    const says = expect.stringMatching(/loop: this driver has no such mapper: .*development driver only/) as string;
    expect(report(answer).findings).toContainEqual({ name: 'mapper', level: 'failed', says });
  });

  it('Kubernetes API that refuses connections, or no such kubeconfig: ends with 1 and says so', async () => {
    const file = path.join(site.directory, 'dead-api');
    const named = { 'current-context': 'x', contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }] };
    const clusters = [{ name: 'c', cluster: { server: 'https://127.213.9.1:6443' } }];
    await writeFile(file, JSON.stringify({ ...named, clusters, users: [{ name: 'u', user: { token: 't' } }] }));
    const controller = ['--services', 'controller', '--json'];
    const refused = await doctor(...common(), ...controller, '--kubernetes', file);
    const missing = await doctor(...common(), ...controller, '--kubernetes', '/nowhere/kubeconfig');
    for (const [answer, says] of [
      [refused, /127\.213\.9\.1:6443 gave no usable answer: .*ECONNREFUSED.*; check API server and network$/],
      [missing, /configuration \/nowhere\/kubeconfig: ENOENT/],
    ] as const) {
      expect(answer.code).toBe(1);
      const { findings } = report(answer);
      expect(findings.find(({ name }) => name === 'kubernetes')?.says).toMatch(says);
      // One finding among the others: the cluster was looked at all the same.
      expect(findings.find(({ name }) => name === 'cluster dev (controller)')?.level).toBe('ok');
    }
  });

  it('a controller whose user may not renew fences: ends with 1, and names the cap', async () => {
    const [file, keyFile] = [path.join(site.directory, 'lesser.yaml'), path.join(site.directory, 'lesser.key')];
    const { monitors, users } = cluster();
    await writeFile(keyFile, users.node.key, { mode: 0o600 });
    const controller = { id: users.node.id, keyFile };
    const clusters = [{ id: 'dev', monitors, users: { controller }, pools: [{ name: site.pool }] }];
    await writeFile(file, JSON.stringify({ clusters }));
    const answer = await doctor(...common(), '--clusters', file, '--services', 'controller', '--json');
    expect(answer.code).toBe(1);
    const says = expect.stringMatching(/^client\.\S+ may not osd blocklist rm: .*docs\/ceph-users\.md/) as string;
    expect(report(answer).findings).toContainEqual({ name: 'fencing dev', level: 'failed', says });
  });

  it('clusters file missing, option unknown: names it', async () => {
    const missing = await doctor('--clusters', '/nowhere.yaml', '--services', 'controller', '--json');
    expect(missing.code).toBe(1);
    expect(report(missing).findings).toContainEqual(
      expect.objectContaining({
        name: 'clusters-file',
        level: 'failed',
        says: expect.stringMatching(/nowhere.yaml/) as string,
      }),
    );
    const wrong = await doctor('--clutsers', '/x');
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/^BERTH_USAGE: .*'--clutsers' \(Did you mean --clusters\?\)/);
  });
});

describe('a key of type aes256k', () => {
  it.skipIf(knowsNewKeys)('that librados does not know: doctor and Probe say so, and what to do', async () => {
    const [file, keyFile] = [path.join(site.directory, 'new-key.yaml'), path.join(site.directory, 'new-key')];
    await writeFile(keyFile, NEW_KEY.toString('base64'), { mode: 0o600 });
    const users = { controller: { id: 'new', keyFile }, node: { id: 'new', keyFile } };
    const { monitors } = cluster();
    const clusters = [{ id: 'dev', monitors, users, pools: [{ name: site.pool }] }];
    await writeFile(file, JSON.stringify({ clusters }));
    const answer = await doctorHere(...common(), '--clusters', file, '--json');
    expect(answer.code).toBe(1);
    for (const role of ['controller', 'node']) {
      const finding = report(answer).findings.find(({ name }) => name === `cluster dev (${role})`);
      expect(finding).toMatchObject({ level: 'failed' });
      expect(finding?.says).toMatch(/key is of type 2 \(aes256k\).*docs\/ceph-users\.md/);
    }
    const started = await site.driver('new-key', { clustersFile: file }).start('listening');
    const toldBy = async () => (await started.log()).split('\n').filter((line) => line.includes('"msg":"readiness"'));
    await expect.poll(async () => (await toldBy()).some((line) => line.includes('type 2 (aes256k)'))).toBe(true);
    expect((await started.identity.Probe({}, 3_000)).ready?.value).toBe(false);
    await started.stop();
  });
});

describe('a driver', () => {
  it('at its start, something wrong on the machine: logs a line for each, goes on, and is not ready', async () => {
    const started = await site.driver('told', { arguments: ['--kubelet-dir', '/nowhere'] }).start('listening');
    const lines = async () =>
      (await started.log())
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    const last = performance.now() + 60_000;
    while (!(await lines()).some(({ msg }) => msg === 'preflight ended')) {
      expect(performance.now()).toBeLessThan(last);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const told = (await lines()).filter(({ check }) => check === 'mount-propagation');
    expect(told).toHaveLength(1);
    expect(told[0]!['msg']).toMatch(/^preflight: there is no kubelet at \/nowhere/);
    expect((await started.identity.Probe({}, 3_000)).ready?.value).toBe(false);
  });
});
