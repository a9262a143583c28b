/**
 * A controller in a flood of requests, of streams and of connections that say nothing: its memory stays within that of
 * its container, and other callers are served meanwhile.
 */
import { readFile } from 'node:fs/promises';
import http2 from 'node:http2';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Driver } from './driver.js';
import { Site } from './site.js';

/** gRPC's RESOURCE_EXHAUSTED. */
const EXHAUSTED = '8';
/** What deploy/kubernetes gives the container, in MiB. */
const LIMIT_MIB = 512;
/** Connections that the requests of a flood come by. */
const CONNECTIONS = 8;
let site: Site;
let driver: Driver;

beforeAll(async () => {
  site = await Site.open('flood');
  driver = await site.driver('controller', { services: 'identity,controller' }).start();
});
afterAll(() => site.close());

/** The most that the driver ever had in memory, in MiB. */
async function peakMiB(): Promise<number> {
  const status = await readFile(`/proc/${driver.pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}

/** A message of gRPC: a CreateVolumeRequest of that size, nearly all of it one parameter. */
function messageOf(bytes: number): Buffer {
  const message = Buffer.alloc(5 + bytes, 'x');
  message.writeUInt8(0, 0);
  message.writeUInt32BE(bytes, 1);
  return message;
}

/** The status of one call. */
function post(session: http2.ClientHttp2Session, path: string, body: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
    const stream = session.request(headers);
    let status: string | undefined;
    const see = (seen: http2.IncomingHttpHeaders): void => void (status ??= seen['grpc-status'] as string | undefined);
    // What HTTP/2 calls too much is RESOURCE_EXHAUSTED to every client of gRPC.
    const end = (error: Error): void =>
      error.message.includes('ENHANCE_YOUR_CALM') ? resolve(EXHAUSTED) : reject(error);
    stream.on('response', see).on('trailers', see).on('error', end).resume();
    stream.on('close', () => resolve(status ?? 'none'));
    stream.end(body);
  });
}

const connect = (): http2.ClientHttp2Session =>
  http2.connect('http://localhost', { createConnection: () => net.connect(driver.socket) });

/** All of them at once; each status, how often. Meanwhile another caller asks and is answered. */
async function flood(count: number, path: string, body: Buffer): Promise<ReadonlyMap<string, number>> {
  const sessions = Array.from({ length: CONNECTIONS }, connect);
  try {
    const all = Array.from({ length: count }, (_, n) => post(sessions[n % CONNECTIONS]!, path, body));
    const progress = { isOver: false };
    const rest = Promise.all(all).finally(() => (progress.isOver = true));
    let answered = 0;
    while (!progress.isOver) {
      expect((await driver.identity.GetPluginInfo({})).name).toBe('rbd.csi.berth.dev');
      answered += 1;
    }
    expect(answered).toBeGreaterThan(0);
    const found = new Map<string, number>();
    for (const status of await rest) found.set(status, (found.get(status) ?? 0) + 1);
    return found;
  } finally {
    for (const one of sessions) one.destroy();
  }
}

const CREATE = '/csi.v1.Controller/CreateVolume';
const INFO = '/csi.v1.Identity/GetPluginInfo';

describe('a controller in a flood', () => {
  it.each([
    ['400 requests of 3.6 MiB', 400, 3.6 * 2 ** 20],
    ['100 requests of 4 MiB', 100, 4 * 2 ** 20],
  ])('of %s at once: refuses each of them, and stays within its memory', async (_, count, bytes) => {
    expect(await flood(count, CREATE, messageOf(Math.floor(bytes)))).toEqual(new Map([[EXHAUSTED, count]]));
    expect(await peakMiB()).toBeLessThan(LIMIT_MIB);
  });

  it('of 1,000 streams at once: answers all of them, and stays within its memory', async () => {
    expect(await flood(1_000, INFO, messageOf(0))).toEqual(new Map([['0', 1_000]]));
    expect(await peakMiB()).toBeLessThan(LIMIT_MIB);
  });

  it('of 2,000 connections that say nothing or half a word: serves others, and stays within its memory', async () => {
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
    const tried = (n: number): Promise<net.Socket | undefined> =>
      new Promise((resolve, reject) => {
        const socket = net.connect(driver.socket, () => {
          if (n % 2 === 0) socket.write(preface.slice(0, n % preface.length));
          resolve(socket);
        });
        // The driver has not taken the ones before yet: a unix socket refuses what its queue has no room for.
        const isFull = (error: NodeJS.ErrnoException): boolean => error.code === 'EAGAIN';
        socket.on('error', (error) => (isFull(error) ? resolve(undefined) : reject(error)));
      });
    const open = async (n: number): Promise<net.Socket> => {
      for (;;) {
        const socket = await tried(n);
        if (socket !== undefined) return socket;
        await driver.identity.GetPluginInfo({});
      }
    };
    const sockets: net.Socket[] = [];
    try {
      for (let n = 0; n < 2_000; n += 100)
        sockets.push(...(await Promise.all(Array.from({ length: 100 }, (_, i) => open(n + i)))));
      expect((await driver.identity.Probe({})).ready?.value).toBe(true);
      expect(await flood(100, INFO, messageOf(0))).toEqual(new Map([['0', 100]]));
      expect(await peakMiB()).toBeLessThan(LIMIT_MIB);
    } finally {
      for (const one of sockets) one.destroy();
    }
    // They are forgotten: what they took of files is there again.
    expect((await driver.identity.Probe({})).ready?.value).toBe(true);
  });
});
