/** The edge as a client sees it: a real gRPC client on a real unix socket. */
import { spawnSync } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { identityService } from '../../../src/csi/identity-service.js';
import { contract } from '../../../src/csi/proto.js';
import type { NodeService } from '../../../src/csi/grpc-server.js';
import { Deadline } from '../../../src/model/deadline.js';
import { berthError } from '../../../src/model/errors.js';
import { call, edge as newEdge } from './edge.js';

const KEY = 'AQDkq3Rm0000000000000000000000000000000==';
const { v1 } = contract();
const edge = newEdge();
const Identity = identityService({ readiness: () => ({ ready: true, why: undefined }) });

describe('a flood', () => {
  it('of requests larger than any of CSI is refused unseen, and the next call is answered', async () => {
    let seen = 0;
    const answer = { volume: { volumeId: 'id-1', capacityBytes: '1' } };
    await edge.serve({
      Controller: {
        CreateVolume: () => {
          seen += 1;
          return Promise.resolve(answer);
        },
      },
    });
    const client = edge.client(v1.Controller);
    const request = { name: 'pvc', parameters: { k: 'x'.repeat(3.6 * 2 ** 20) } };
    const flood = Array.from({ length: 20 }, () => call((done) => client.CreateVolume(request, done)));
    for (const { error } of await Promise.all(flood)) expect(error?.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(seen).toBe(0);
    const { response } = await call((done) => client.CreateVolume({ name: 'pvc' }, done));
    expect(response).toMatchObject(answer);
  });

  it('of two thousand calls on one connection: 512 are worked on at a time, and all are answered', async () => {
    let [running, most] = [0, 0];
    await edge.serve({
      Controller: {
        CreateVolume: async () => {
          running += 1;
          most = Math.max(most, running);
          await sleep(1);
          running -= 1;
          return { volume: { volumeId: 'id-1', capacityBytes: '1' } };
        },
      },
    });
    const client = edge.client(v1.Controller);
    const all = Array.from({ length: 2_000 }, (_, n) => call((done) => client.CreateVolume({ name: `p${n}` }, done)));
    expect((await Promise.all(all)).filter(({ error }) => error !== null)).toEqual([]);
    expect(most).toBeLessThanOrEqual(512);
  });
});

describe('a handler', () => {
  it('gets the request with its defaults and answers typed', async () => {
    let seen: unknown;
    await edge.serve({
      Controller: {
        CreateVolume: (request) => {
          seen = request;
          return Promise.resolve({ volume: { volumeId: 'id-1', capacityBytes: '1073741824' } });
        },
      },
    });
    const { response } = await call((done) =>
      edge.client(v1.Controller).CreateVolume({ name: 'pvc-1', capacityRange: { requiredBytes: '1073741824' } }, done),
    );
    expect(response).toMatchObject({ volume: { volumeId: 'id-1', capacityBytes: '1073741824' } });
    expect(seen).toMatchObject({
      name: 'pvc-1',
      capacityRange: { requiredBytes: '1073741824', limitBytes: '0' },
      parameters: {},
      volumeCapabilities: [],
      volumeContentSource: null,
    });
  });

  it('has a deadline a little before its caller, whose own never fires', async () => {
    const node: NodeService = {
      NodeStageVolume: async (_request, { deadline }) => {
        const ms = Math.round(deadline.remaining());
        await sleep(ms);
        throw berthError('BERTH_DEADLINE', { what: 'mapping', ms });
      },
    };
    await edge.serve({ Node: node });
    const stage = { volumeId: 'v', stagingTargetPath: '/s' };
    const { error } = await call((done) =>
      edge.client(v1.Node).NodeStageVolume(stage, { deadline: Date.now() + 3_000 }, done),
    );
    expect(error?.code).toBe(status.DEADLINE_EXCEEDED);
    expect(error?.details).toMatch(/^BERTH_DEADLINE: mapping did not end in [12]\d\d\d ms/);
  });

  it('that does not keep its deadline is answered for before its caller’s clock ends', async () => {
    let end: (error: Error) => void = () => undefined;
    const never = new Promise<never>((_, reject) => (end = reject));
    await edge.serve({ Node: { NodeGetVolumeStats: () => never } });
    const began = performance.now();
    const { error } = await call((done) =>
      edge
        .client(v1.Node)
        .NodeGetVolumeStats({ volumeId: 'v', volumePath: '/v' }, { deadline: Date.now() + 3_000 }, done),
    );
    expect(error?.details).toMatch(/^BERTH_DEADLINE: NodeGetVolumeStats did not end in [12]\d\d\d ms/);
    expect(performance.now() - began).toBeGreaterThan(2_500);
    end(new Error('much later, and nobody listens'));
  });

  it('has a bounded deadline also where its caller set none', async () => {
    let deadline = Deadline.after(0);
    await edge.serve({
      Node: {
        NodeGetInfo: (_request, context) => {
          deadline = context.deadline;
          return Promise.resolve({ nodeId: 'n' });
        },
      },
    });
    await call((done) => edge.client(v1.Node).NodeGetInfo({}, done));
    expect(deadline.remaining()).toBeGreaterThan(50_000);
    expect(deadline.remaining()).toBeLessThan(60_000);
  });
});

describe('an error', () => {
  it('reaches the caller as status and sentence, without details and without its cause', async () => {
    await edge.serve({
      Controller: {
        DeleteVolume: () =>
          Promise.reject(
            berthError('BERTH_VOLUME_IN_USE', { volume: 'v', who: 'node-1' }, new Error('EBUSY', { cause: 'watcher' })),
          ),
      },
    });
    const { error, response } = await call((done) => edge.client(v1.Controller).DeleteVolume({ volumeId: 'v' }, done));
    expect(response).toBeUndefined();
    expect(error?.code).toBe(status.FAILED_PRECONDITION);
    expect(error?.details).toBe('BERTH_VOLUME_IN_USE: volume v is in use by node-1; stop its users, then try again');
    expect(error?.metadata.get('grpc-status-details-bin')).toEqual([]);
    expect(edge.ends('DeleteVolume')).toMatchObject([
      { level: 40, volume: 'v', code: 'FAILED_PRECONDITION', causes: ['Error: EBUSY', "'watcher'"] },
    ]);
  });

  it('that is a bug becomes INTERNAL; the stack is in the log only', async () => {
    await edge.serve({
      Controller: {
        DeleteVolume: () => {
          throw new TypeError('undefined is not a volume');
        },
      },
    });
    const { error } = await call((done) => edge.client(v1.Controller).DeleteVolume({ volumeId: 'v' }, done));
    expect(error?.code).toBe(status.INTERNAL);
    expect(error?.details).toMatch(/^BERTH_INTERNAL: undefined is not a volume; /);
    expect(error?.details).not.toContain('.ts');
    expect(String(edge.ends('DeleteVolume')[0]?.['stack'])).toContain('server.test.ts');
  });

  it('is what a request over a limit gets, before the handler sees it', async () => {
    let called = false;
    await edge.serve({
      Controller: {
        DeleteVolume: () => {
          called = true;
          return Promise.resolve({});
        },
      },
    });
    const { error } = await call((done) =>
      edge.client(v1.Controller).DeleteVolume({ volumeId: 'v'.repeat(129) }, done),
    );
    expect(error?.code).toBe(status.INVALID_ARGUMENT);
    expect(error?.details).toContain('volume_id: 129 bytes');
    expect(called).toBe(false);
  });

  it('UNIMPLEMENTED answers a method, and a service, that is not served', async () => {
    await edge.serve({ Controller: {} });
    const method = await call((done) => edge.client(v1.Controller).GetSnapshot({ snapshotId: 's' }, done));
    expect(method.error?.code).toBe(status.UNIMPLEMENTED);
    expect(method.error?.details).not.toBe('');
    const service = await call((done) => edge.client(v1.Node).NodeGetInfo({}, done));
    expect(service.error?.code).toBe(status.UNIMPLEMENTED);
  });
});

describe('the log', () => {
  it('has one line for each call, quiet for what is asked all the time', async () => {
    await edge.serve({ Identity, Controller: { ControllerPublishVolume: () => Promise.resolve({}) } });
    const request = { volumeId: 'vol-7', nodeId: 'node-3' };
    await call((done) => edge.client(v1.Controller).ControllerPublishVolume(request, done));
    await call((done) => edge.client(v1.Identity).Probe({}, done));
    expect(edge.ends('ControllerPublishVolume')).toMatchObject([
      { level: 30, volume: 'vol-7', node: 'node-3', code: 'OK' },
    ]);
    expect(edge.ends('ControllerPublishVolume')[0]?.['ms']).toBeTypeOf('number');
    expect(edge.ends('Probe')).toMatchObject([{ level: 20, code: 'OK' }]);
  });

  it('holds no secret and no mount flag, even where an error quotes one', async () => {
    await edge.serve({
      Node: {
        NodeStageVolume: ({ secrets }, { log }) => {
          log.debug('staging');
          const cause = new Error(`auth failed with ${secrets['anything'] ?? ''}`);
          return Promise.reject(berthError('BERTH_NOT_READY', { why: `bad key ${secrets['anything'] ?? ''}` }, cause));
        },
        NodePublishVolume: ({ secrets }) => {
          throw new Error(`oops ${secrets['anything'] ?? ''}`);
        },
      },
    });
    const request = {
      volumeId: 'v',
      stagingTargetPath: '/s',
      secrets: { anything: KEY },
      volumeCapability: { mount: { mountFlags: ['secret=flagpass'] } },
    };
    const stage = await call((done) => edge.client(v1.Node).NodeStageVolume(request, done));
    const publish = await call((done) => edge.client(v1.Node).NodePublishVolume(request, done));
    expect(stage.error?.details).toContain('bad key ***');
    expect(publish.error?.details).toContain('oops ***');
    const written = JSON.stringify(edge.lines);
    expect(written).toContain('NodeStageVolume begins');
    expect(written).toContain('auth failed with ***');
    expect(written).not.toContain(KEY);
    expect(written).not.toContain('flagpass');
  });
});

describe('drain', () => {
  it('waits for a running call, refuses new ones meanwhile, and removes the socket', async () => {
    let finish = (): void => undefined;
    const server = await edge.serve({
      Controller: { DeleteVolume: () => new Promise((resolve) => (finish = () => resolve({}))) },
    });
    const controller = edge.client(v1.Controller);
    const slow = call((done) => controller.DeleteVolume({ volumeId: 'v' }, done));
    await expect.poll(() => edge.lines.some((line) => line['msg'] === 'DeleteVolume begins')).toBe(true);
    let drained = false;
    const drain = server.drain(10_000).then(() => (drained = true));
    const refused = await call((done) => controller.DeleteVolume({ volumeId: 'w' }, done));
    expect(refused.error?.code).toBe(status.UNAVAILABLE);
    expect(refused.error?.details).toMatch(/^BERTH_SHUTTING_DOWN/);
    expect(drained).toBe(false);
    finish();
    expect((await slow).error).toBeNull();
    await drain;
    expect(await readdir(edge.directory)).toEqual([]);
  });

  it('forces the end where a call never ends', async () => {
    const server = await edge.serve({ Controller: { DeleteVolume: () => new Promise(() => undefined) } });
    const stuck = call((done) => edge.client(v1.Controller).DeleteVolume({ volumeId: 'v' }, done));
    await expect.poll(() => edge.lines.some((line) => line['msg'] === 'DeleteVolume begins')).toBe(true);
    const before = performance.now();
    await server.drain(100);
    expect(performance.now() - before).toBeLessThan(50_000);
    expect((await stuck).error?.code).toBe(status.CANCELLED);
  });
});

describe('the socket', () => {
  it('is for its owner only, and alone in its directory', async () => {
    await edge.serve({ Identity });
    expect((await stat(path.join(edge.directory, 'csi.sock'))).mode & 0o777).toBe(0o600);
    expect(await readdir(edge.directory)).toEqual(['csi.sock']);
  });

  it('of a killed process is replaced', async () => {
    const script = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script, path.join(edge.directory, 'csi.sock')]);
    expect(await readdir(edge.directory)).toEqual(['csi.sock']);
    await edge.serve({ Identity });
    const { response } = await call((done) => edge.client(v1.Identity).Probe({}, done));
    expect(response).toMatchObject({ ready: { value: true } });
  });

  it('of a living process is not stolen', async () => {
    await edge.serve({ Identity });
    await expect(edge.serve({ Identity })).rejects.toThrow(/BERTH_CONFIG_INVALID.*another process serves it/);
    const { error } = await call((done) => edge.client(v1.Identity).Probe({}, done));
    expect(error).toBeNull();
  });

  it('needs an existing directory', async () => {
    edge.endpoint = `unix://${edge.directory}/missing/csi.sock`;
    await expect(edge.serve({ Identity })).rejects.toThrow(/BERTH_CONFIG_INVALID.*directory does not exist/);
  });
});
