/** The shim's monitor socket: a real server on a unix socket that answers as the runtimes do, or fails as they do. */
import { createServer, type RequestListener } from 'node:http';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Deadline } from '../../../../src/model/deadline.js';
import { Shim } from '../../../../src/sandbox/kata/shim.js';

const soon = (ms = 60_000): Deadline => Deadline.after(ms);

/** A sandbox `s1` below one of two roots, whose shim answers so. */
async function sandbox(answer: RequestListener, root: 0 | 1 = 0): Promise<Shim> {
  const directory = await mkdtemp(path.join(tmpdir(), 'berth-shim-'));
  const roots = ['go', 'rs'].map((name) => path.join(directory, name));
  const place = path.join(roots[root]!, 's1');
  await mkdir(place, { recursive: true });
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(path.join(place, 'shim-monitor.sock'), resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(directory, { recursive: true });
  });
  return new Shim('s1', roots);
}

const stats = {
  usage: [
    { available: 30, total: 40, used: 10, unit: 1 },
    { total: 8, available: 8, unit: 2 },
  ],
};

describe('usage', () => {
  it('is the guest’s, asked for by the device', async () => {
    const urls: (string | undefined)[] = [];
    const shim = await sandbox((request, response) => {
      urls.push(`${request.method} ${request.url}`);
      response.end(JSON.stringify(stats));
    });
    expect(await shim.usage('/dev/rbd 0', soon())).toEqual({
      answer: {
        bytes: { total: 40n, used: 10n, available: 30n },
        inodes: { total: 8n, used: 0n, available: 8n },
      },
    });
    expect(urls).toEqual(['GET /direct-volume/stats?path=%2Fdev%2Frbd%200']);
  });

  it('is looked for at both runtimes’ places', async () => {
    const shim = await sandbox((_, response) => response.end(JSON.stringify(stats)), 1);
    expect(await shim.usage('/dev/rbd0', soon())).toHaveProperty('answer');
  });

  it.each([
    ['an error of the agent', 500, 'rpc error: code = Unimplemented', /HTTP 500 rpc error: code = Unimplemented/],
    ['no JSON', 200, 'ok', /answered ok/],
    ['no numbers', 200, '{"usage":[{"unit":1,"total":"many"}]}', /answered/],
    ['nothing of bytes', 200, '{"usage":[{"unit":2,"total":5}]}', /answered/],
    ['a size of zero', 200, '{"usage":[{"unit":1}]}', /answered/],
  ])('is not made up from %s', async (_, code, text, why) => {
    const shim = await sandbox((_, response) => response.writeHead(code).end(text));
    expect(await shim.usage('/dev/rbd0', soon())).toEqual({ why: expect.stringMatching(why) as string });
  });

  it('is not waited for longer than the caller has', async () => {
    const shim = await sandbox(() => undefined);
    const started = performance.now();
    expect(await shim.usage('/dev/rbd0', soon(300))).toEqual({
      why: expect.stringMatching(/no answer within/) as string,
    });
    expect(performance.now() - started).toBeLessThan(30_000);
  });

  it('has a reason where there is no shim, or no name of one', async () => {
    expect(await new Shim('s1', ['/nowhere']).usage('/dev/rbd0', soon())).toEqual({
      why: 'its shim has no monitor socket',
    });
    expect(await new Shim('../s1', ['/nowhere']).usage('/dev/rbd0', soon())).toEqual({
      why: 'its sandbox has a strange name',
    });
  });
});

describe('a resize', () => {
  it('names device and bytes as Go reads them, also beyond what a double holds', async () => {
    let body = '';
    const shim = await sandbox((request, response) => {
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => response.end());
    });
    expect(await shim.resize('/dev/rbd0', 9_007_199_254_740_993n, soon())).toEqual({ answer: undefined });
    expect(body).toBe('{"VolumePath":"/dev/rbd0","Size":9007199254740993}');
  });

  it('that the agent does not know is no success', async () => {
    const shim = await sandbox((_, response) => response.writeHead(500).end('not supported'));
    expect(await shim.resize('/dev/rbd0', 1n, soon())).toEqual({ why: 'its shim: HTTP 500 not supported' });
  });
});
