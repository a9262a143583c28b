/**
 * `npm run dev` as somebody at a terminal uses it: one ready line, files for CSI tools, an end by SIGTERM, and `--down`
 * after a crash.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runningDaemons } from '../../../src/dev/ceph/daemons.js';
import { layoutOf } from '../../../src/dev/ceph/layout.js';
import { ask, csiClient, type CsiClient } from '../../../src/dev/driver/csi-client.js';
import { CAPABILITY, DemoController } from '../../../src/dev/demo/demo-controller.js';
import { driversOf, leftBehind } from '../../../src/dev/leftovers.js';
import { stopProcesses } from '../../../src/dev/processes.js';
import { mountAt } from '../../../src/host/mount/mountinfo.js';
import { Deadline } from '../../../src/model/deadline.js';
import { scratchDirectory } from '../ceph.js';

const PROGRAM = path.resolve('dist/src/dev/dev.js');
const soon = () => Deadline.after(60_000);

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly readyLine: Promise<string>;
}

const start = (...args: readonly string[]): Started => startProgram(PROGRAM, args);

function startProgram(program: string, args: readonly string[]): Started {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, stdout, stderr }));
  const readyLine = new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      if (stdout.includes('\n')) resolve(stdout);
    });
    void ended.then(() => reject(new Error(`ended before it was ready: ${stderr}`)));
  });
  readyLine.catch(() => undefined);
  return { child, ended, readyLine };
}

/** Which of the two services answers; the other is unimplemented. */
async function servicesOf({ controller, node }: CsiClient): Promise<{ controller: boolean; node: boolean }> {
  const serves = (asked: Promise<unknown>): Promise<boolean> =>
    asked.then(
      () => true,
      (error: unknown) => {
        expect(error).toMatchObject({ code: status.UNIMPLEMENTED });
        return false;
      },
    );
  return {
    controller: await serves(ask((done) => controller.ControllerGetCapabilities({}, done))),
    node: await serves(ask((done) => node.NodeGetCapabilities({}, done))),
  };
}

describe('npm run dev', () => {
  let root: string;
  let directory: string;
  let outside: string;

  beforeAll(async () => {
    root = await scratchDirectory('d');
    directory = path.join(root, 'dev');
    // As a CSI tool does it: staging and target paths far from the driver's own directory.
    outside = path.join(root, 'outside');
    await mkdir(path.join(outside, 'staging'), { recursive: true });
  });

  afterAll(async () => {
    await start('--dir', directory, '--down').ended;
  });

  async function mountVolume(client: CsiClient, name: string): Promise<void> {
    const secrets = parse(await readFile(path.join(directory, 'secrets.yaml'), 'utf8')) as Record<
      string,
      Record<string, string>
    >;
    const controller = new DemoController(client, secrets['CreateVolumeSecret']!);
    const volume = await controller.create(name, 'hyper', 2 ** 29);
    const { volumeId, volumeContext, publishContext } = await controller.attach(volume, 'dev-node');
    const common = { volumeId, volumeContext, publishContext, volumeCapability: CAPABILITY };
    const stage = {
      ...common,
      stagingTargetPath: path.join(outside, 'staging'),
      secrets: secrets['NodeStageVolumeSecret']!,
    };
    await ask((done) => client.node.NodeStageVolume(stage, done));
    const publish = { ...stage, targetPath: path.join(outside, 'target') };
    await ask((done) => client.node.NodePublishVolume(publish, done));
  }

  const session = async (work: (client: CsiClient) => Promise<void>): Promise<void> => {
    const client = csiClient(`unix://${directory}/csi.sock`);
    await work(client).finally(() => client.close());
  };

  it('prints one ready line, keeps secrets private; SIGTERM: ends 0, the cluster stays up', async () => {
    const dev = start('--dir', directory);
    expect(await dev.readyLine).toBe(`ready unix://${directory}/csi.sock\n`);
    const parameters = parse(await readFile(path.join(directory, 'parameters.yaml'), 'utf8')) as unknown;
    expect(parameters).toMatchObject({ clusterID: 'dev', pool: 'hyper', mounter: 'auto' });
    const secrets = await readFile(path.join(directory, 'secrets.yaml'), 'utf8');
    expect(secrets).toMatch(/^NodeStageVolumeSecret:\n {2}userID: berth-node\n {2}userKey: A\S+=$/m);
    expect((await stat(path.join(directory, 'secrets.yaml'))).mode & 0o777).toBe(0o600);

    const second = await start('--dir', directory).ended;
    expect(second).toMatchObject({ code: 1, stdout: '' });
    expect(second.stderr).toContain('BERTH_DIRECTORY_BUSY');

    dev.child.kill('SIGTERM');
    expect(await dev.ended).toMatchObject({ code: 0, stdout: `ready unix://${directory}/csi.sock\n` });
    expect(await driversOf(directory)).toEqual([]);
    expect(await runningDaemons(layoutOf(path.join(directory, 'ceph')))).toHaveProperty('osd');
  });

  it('driver dies: ends non-zero with its last log lines; --down then removes mounts, devices and files', async () => {
    const dev = start('--dir', directory);
    await dev.readyLine;
    await session((client) => mountVolume(client, 'left-mounted'));
    await stopProcesses(await driversOf(directory), 0, soon());
    const { code, stderr } = await dev.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/BERTH_DRIVER_DIED: the driver ended \(SIGKILL\).*\{"level"/s);
    expect(await mountAt(path.join(outside, 'target'))).toBeDefined();

    expect(await start('--dir', directory, '--down').ended).toMatchObject({ code: 0 });
    expect(await mountAt(path.join(outside, 'target'))).toBeUndefined();
    expect(await mountAt(path.join(outside, 'staging'))).toBeUndefined();
    expect(await leftBehind(directory)).toEqual([]);
    expect(await readdir(root)).toEqual(['outside']);
  });

  it('--down ends the one that serves, also with a volume mounted on a cluster that is dead', async () => {
    const dev = start('--dir', directory);
    await dev.readyLine;
    await session((client) => mountVolume(client, 'on-a-dead-cluster'));
    const { mon, osd } = await runningDaemons(layoutOf(path.join(directory, 'ceph')));
    await stopProcesses([osd!, mon!], 0, soon());
    expect(await start('--dir', directory, '--down').ended).toMatchObject({ code: 0 });
    expect((await dev.ended).code).toBe(0);
    expect(await mountAt(path.join(outside, 'staging'))).toBeUndefined();
    expect(await leftBehind(directory)).toEqual([]);
    expect(await start('--dir', directory, '--down').ended).toMatchObject({ code: 0 });
  });

  it('-- OPTIONS: the driver gets them after its own, and a wrong one is told with what the driver says', async () => {
    const dev = start('--dir', directory, '--', '--services', 'identity,controller', '--node-id', 'of-options');
    expect(await dev.readyLine).toBe(`ready unix://${directory}/csi.sock\n`);
    await session(async (client) => {
      expect(await servicesOf(client)).toEqual({ controller: true, node: false });
    });
    expect((await driversOf(directory))[0]!.argv.join(' ')).toMatch(/ --services identity,controller --node-id \S+$/);
    dev.child.kill('SIGTERM');
    expect((await dev.ended).code).toBe(0);

    const wrong = await start('--dir', directory, '--', '--kubelet-directory', '/k').ended;
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toMatch(/BERTH_DRIVER_DIED: .*--kubelet-directory/s);
  });

  it('--name: a controller and a node are two processes on one cluster, which --down ends both', async () => {
    const named = (name: string, ...options: string[]) =>
      start('--dir', directory, '--name', name, '--node-id', 'dev-node', '--', '--services', ...options);
    const elsewhere = `unix://${outside}/csi.sock`;
    const [controller, node] = [named('controller', 'controller'), named('node', 'node', '--endpoint', elsewhere)];
    const at = `unix://${directory}/drivers/controller/csi.sock`;
    expect(await controller.readyLine).toBe(`ready ${at}\n`);
    expect(await node.readyLine).toBe(`ready ${elsewhere}\n`);
    expect((await named('controller', 'controller').ended).stderr).toContain('BERTH_DIRECTORY_BUSY');

    const [asController, asNode] = [csiClient(at), csiClient(elsewhere)];
    try {
      expect(await servicesOf(asController)).toEqual({ controller: true, node: false });
      expect(await servicesOf(asNode)).toEqual({ controller: false, node: true });
      await mountVolume({ ...asController, node: asNode.node }, 'of-two-processes');
      expect(await mountAt(path.join(outside, 'target'))).toBeDefined();
    } finally {
      asController.close();
      asNode.close();
    }
    expect(await start('--dir', directory, '--down').ended).toMatchObject({ code: 0 });
    expect([(await controller.ended).code, (await node.ended).code]).toEqual([0, 0]);
    expect(await mountAt(path.join(outside, 'target'))).toBeUndefined();
    expect(await leftBehind(directory)).toEqual([]);
  });

  it.each([
    ['dev', PROGRAM, /^usage: npm run dev -- --dir DIRECTORY .*-- OPTIONS {2,}the driver's own options/s],
    ['demo', path.resolve('dist/src/dev/demo.js'), /^usage: npm run demo \[-- /],
  ])('npm run %s: --help shows the usage, and what it does not know is refused with it', async (_, program, usage) => {
    expect(await startProgram(program, ['--help']).ended).toMatchObject({ code: 0, stderr: '' });
    expect((await startProgram(program, ['--help']).ended).stdout).toMatch(usage);
    for (const args of [['--nonsense'], ['word']]) {
      const refused = await startProgram(program, args).ended;
      expect(refused).toMatchObject({ code: 2, stdout: '' });
      expect(refused.stderr).toContain(args[0]);
      expect(refused.stderr).toContain('usage: npm run');
    }
  });

  it('tells how to call it when it is called wrongly', async () => {
    expect(await start().ended).toMatchObject({ code: 2, stdout: '' });
    const strange = await start('--dri', directory).ended;
    expect(strange.code).toBe(2);
    expect(strange.stderr).toContain('usage: npm run dev -- --dir DIRECTORY');
    const long = await start('--dir', path.join(root, 'x'.repeat(100))).ended;
    expect(long.code).toBe(1);
    expect(long.stderr).toContain('a unix socket allows 107');
    expect(await readdir(root)).toEqual(['outside']);
  });
});
