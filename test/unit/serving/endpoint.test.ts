/** Which endpoints are accepted, and whose socket may be removed. */
import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clearStaleSocket, socketPath } from '../../../src/serving/endpoint.js';

describe('socketPath', () => {
  it('reads an absolute unix endpoint', () => {
    expect(socketPath('unix:///csi/csi.sock')).toBe('/csi/csi.sock');
    expect(socketPath(`unix:///${'x'.repeat(106)}`)).toHaveLength(107);
  });

  it.each([
    '',
    'csi.sock',
    '/csi/csi.sock',
    'unix://csi/csi.sock',
    'unix:/csi/csi.sock',
    'unix://',
    'unix:///',
    'unix:///csi/',
    'unix:///csi/../csi.sock',
    'unix:////csi.sock',
    'unix:///csi/\0.sock',
    'tcp://127.0.0.1:10000',
    'UNIX:///csi/csi.sock',
    `unix:///${'x'.repeat(107)}`,
    `unix:///${'ü'.repeat(54)}`,
  ])('refuses %j', (endpoint) => {
    expect(() => socketPath(endpoint)).toThrow(/^BERTH_CONFIG_INVALID/);
  });
});

describe('clearStaleSocket', () => {
  let directory: string;
  let file: string;
  let server: Server | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'berth-endpoint-'));
    file = path.join(directory, 'csi.sock');
  });
  afterEach(async () => {
    server?.close();
    server = undefined;
    await rm(directory, { recursive: true, force: true });
  });

  it('is content where nothing lies', async () => {
    await expect(clearStaleSocket(file)).resolves.toBeUndefined();
  });

  it('refuses a living socket and leaves it', async () => {
    server = createServer();
    await new Promise<void>((resolve) => server?.listen(file, resolve));
    await expect(clearStaleSocket(file)).rejects.toThrow(/BERTH_CONFIG_INVALID.*another process serves it/);
    expect((await stat(file)).isSocket()).toBe(true);
  });

  it('refuses a file and a link, and leaves them', async () => {
    await writeFile(file, 'precious');
    await expect(clearStaleSocket(file)).rejects.toThrow(/not a socket/);
    const link = path.join(directory, 'link.sock');
    await symlink(file, link);
    await expect(clearStaleSocket(link)).rejects.toThrow(/not a socket/);
    expect((await stat(file)).size).toBe(8);
  });
});
