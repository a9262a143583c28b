/**
 * The binary alone and against an agent of the test: what it says by itself, what it passes on, and what it makes of a
 * sick agent.
 */
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { install, isOneLine, type Installed } from '../../../src/dev/flexvolume/installed-binary.js';
import {
  comes,
  comesAttached,
  goes,
  goesAttached,
  podDirectory,
  type KubeletPod,
} from '../../../src/dev/flexvolume/kubelet-pod.js';

let directory: string;
let socket: string;
let pod: KubeletPod;
let server: Server | undefined;
const connections = new Set<Socket>();

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'berth-flex-'));
  socket = path.join(directory, 'agent.sock');
  pod = {
    ...{ root: path.join(directory, 'kubelet'), driver: 'hyper~cephrbd', uid: '6a1d5e0c-0001', volume: 'data' },
    ...{ node: 'node-one', options: { volumeID: 'vol1' } },
  };
});
afterEach(async () => {
  for (const one of connections) one.destroy();
  await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  server = undefined;
  await rm(directory, { recursive: true });
});

const driver = (settings: Readonly<Record<string, unknown>> = {}): Promise<Installed> =>
  install(path.join(directory, 'exec'), 'hyper~cephrbd', { socket, ...settings });

/** An agent that does with each line what `reply` does. */
async function agent(reply: (connection: Socket, line: string) => void): Promise<void> {
  server = createServer((connection) => {
    connections.add(connection);
    connection.on('error', () => undefined);
    connection.on('data', (line: Buffer) => reply(connection, line.toString()));
  });
  await new Promise<void>((resolve) => server?.listen(socket, resolve));
}

describe('init', () => {
  it('is answered without any agent, with every capability spelled out', async () => {
    const ran = await (await driver()).run(['init']);
    expect(isOneLine(ran)).toBe(true);
    expect(ran.answer).toEqual({
      status: 'Success',
      capabilities: {
        ...{ attach: false, fsGroup: false, selinuxRelabel: false, supportsMetrics: false, requiresFSResize: false },
      },
    });
  });

  it('lets the runtime label what a driver mounts, and the hand-off file of hyperd’s driver never', async () => {
    for (const [name, selinuxRelabel] of [
      ['berth~rbd', true],
      ['hyper~cephrbd', false],
    ] as const) {
      const plugins = path.join((await driver()).directory, 'more');
      const { answer } = await (await install(plugins, name, { socket })).run(['init']);
      expect(answer.capabilities?.selinuxRelabel, name).toBe(selinuxRelabel);
    }
  });

  it('says that it attaches where it is configured so', async () => {
    const { answer } = await (await driver({ attach: true })).run(['init']);
    expect(answer.capabilities?.attach).toBe(true);
  });

  it('is a failure that names the file where the settings cannot be read', async () => {
    const installed = await driver();
    await writeFile(path.join(installed.directory, '.cephrbd.json'), '{"socket":');
    const ran = await installed.run(['init']);
    expect(isOneLine(ran)).toBe(true);
    expect(ran.answer.status).toBe('Failure');
    expect(ran.answer.message).toContain(installed.directory);
  });
});

describe('the command line', () => {
  it.each([
    [[], 'no arguments passed to flexvolume driver'],
    [['mount', '/x'], 'unexpected number of args 1 (expected 2) for operation "mount"'],
    [['init', 'x'], 'unexpected number of args 1 (expected 0) for operation "init"'],
  ])('%j is a failure in the words of the ancestor', async (args, message) => {
    const ran = await (await driver()).run(args);
    expect(isOneLine(ran)).toBe(true);
    expect(ran.answer).toEqual({ status: 'Failure', message });
  });

  it.each(['getvolumename', 'snapshot', 'toString', '--help', ''])('"%s" is not supported', async (call) => {
    const ran = await (await driver()).run([call, '{}']);
    expect(isOneLine(ran)).toBe(true);
    expect(ran.answer).toEqual({ status: 'Not supported' });
  });

  it('of a driver that does not attach answers the attach calls as its ancestor did', async () => {
    const installed = await driver();
    for (const args of [...comesAttached(pod, '/dev/x', '1.11'), ...goesAttached(pod)]) {
      if (!/attach$|^detach/.test(args[0] ?? '')) continue;
      const ran = await installed.run(args);
      expect(isOneLine(ran)).toBe(true);
      expect(ran.answer.status).toBe('Success');
      if (args[0] === 'waitforattach') expect(ran.answer.device).toBe('/dev/x');
      if (args[0] === 'isattached') expect(ran.answer.attached).toBe(true);
    }
  });
});

describe.each(['1.11', '1.20'] as const)('as the kubelet of %s calls', (version) => {
  it('each call reaches the agent word for word, with driver and mode, and its answer comes back', async () => {
    const seen: unknown[] = [];
    await agent((connection, line) => {
      seen.push(JSON.parse(line));
      connection.write('{"status":"Success","device":"/dev/rbd0"}\n');
    });
    const installed = await driver({ attach: true });
    const calls = [...comesAttached(pod, '/dev/rbd0', version), ...goesAttached(pod)];
    const asked = calls.filter(([call]) => call !== 'init' && call !== 'getvolumename');
    for (const args of calls) expect(isOneLine(await installed.run(args))).toBe(true);
    expect(seen).toEqual(
      asked.map(([call, ...args]) => ({
        ...{ version: 1, driver: 'hyper/cephrbd', attach: true, call, args, ms: 108_000 },
      })),
    );
  });

  it('a driver that does not attach asks the agent for mount and unmount alone', async () => {
    const seen: string[] = [];
    await agent((connection, line) => {
      seen.push((JSON.parse(line) as { call: string }).call);
      connection.write('{"status":"Success"}\n');
    });
    const installed = await driver();
    for (const args of [...comes(pod, version), ...goes(pod)]) await installed.run(args);
    expect(seen).toEqual(['mount', 'unmount']);
  });
});

describe('without an agent', () => {
  it('a mount fails, saying so and what to start', async () => {
    const ran = await (await driver()).run(comes(pod, '1.20').at(-1)!);
    expect(isOneLine(ran)).toBe(true);
    expect(ran.answer.status).toBe('Failure');
    expect(ran.answer.message).toMatch(/node agent does not answer at .*agent\.sock \(ENOENT\): start it/);
  });

  it('so does one whose socket is left of an agent that died', async () => {
    await agent(() => undefined);
    const left = path.join(directory, 'left.sock');
    const { link } = await import('node:fs/promises');
    await link(socket, left);
    await new Promise<void>((resolve) => server?.close(() => resolve()));
    server = undefined;
    const { answer } = await (await driver({ socket: left })).run(['unmount', directory]);
    expect(answer.message).toContain('ECONNREFUSED');
  });

  it('an unmount of what is not there is a success, of what is there a failure', async () => {
    const installed = await driver();
    expect((await installed.run(goes(pod)[0]!)).answer).toEqual({ status: 'Success' });
    await mkdir(podDirectory(pod), { recursive: true });
    expect((await installed.run(goes(pod)[0]!)).answer.status).toBe('Failure');
  });
});

describe('a sick agent', () => {
  const mount = (settings: Readonly<Record<string, unknown>> = {}) =>
    driver(settings).then((installed) => installed.run(['mount', podDirectory(pod), '{}']));

  it('that never answers costs no more than the limit', async () => {
    await agent(() => undefined);
    const begun = performance.now();
    const ran = await mount({ timeoutSeconds: 0.5 });
    expect(performance.now() - begun).toBeLessThan(30_000);
    expect(isOneLine(ran)).toBe(true);
    expect(ran.answer.message).toContain('did not answer within 0.5 s');
  });

  it('that hangs up makes a failure', async () => {
    await agent((connection) => connection.end());
    const ran = await mount();
    expect(isOneLine(ran)).toBe(true);
    expect(ran.answer).toMatchObject({ status: 'Failure', message: 'berth: the node agent ended before it answered' });
  });

  it.each(['hello', '{"status":"Fine"}', 'null', '[]'])('that answers %s makes a failure', async (line) => {
    await agent((connection) => connection.write(`${line}\n`));
    const ran = await mount();
    expect(isOneLine(ran)).toBe(true);
    expect(ran.answer.status).toBe('Failure');
  });

  it('that talks without end makes a failure', async () => {
    await agent((connection) => connection.write('x'.repeat(200_000)));
    const ran = await mount();
    expect(isOneLine(ran)).toBe(true);
    expect(ran.answer.message).toContain('does not stop talking');
  });

  it('whose message is long and has lines still makes one line that an event can carry', async () => {
    await agent((connection) =>
      connection.write(`${JSON.stringify({ status: 'Failure', message: 'a\nb\r\n'.repeat(1_000) })}\n`),
    );
    const ran = await mount();
    expect(isOneLine(ran)).toBe(true);
    expect(ran.answer.message?.length).toBeLessThan(1_024);
  });
});
