/** Clients of earlier lives: written down before they work, known to the next life of the same boot, shut out once. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Deadline } from '../../../src/model/deadline.js';
import { Secret } from '../../../src/model/secret.js';
import { createLog } from '../../../src/observe/log.js';
import type { ClusterAccess } from '../../../src/rbd/port.js';
import { FormerClients } from '../../../src/rbd/former-clients.js';
import { MemoryRbd } from '../../fakes/rbd-memory.js';

const access: ClusterAccess = { cluster: 'c1', monitors: ['10.0.0.1:6789'], user: 'node', key: new Secret('AQ==') };
const watcher = (address: string) => ({ address, client: 7n });
const soon = (): Deadline => Deadline.after(10_000);
let directory: string;
let rbd: MemoryRbd;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'berth-former-'));
  rbd = new MemoryRbd();
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const life = (instance: string, bootId = 'boot'): FormerClients => {
  rbd.instance = instance;
  return new FormerClients({ file: path.join(directory, 'clients.json'), bootId, rbd, log: createLog('silent') });
};

it('the next life shuts out the client of the one before, once, and nobody else', async () => {
  await life('127.0.0.1:0/1').note(access, soon());
  const next = life('127.0.0.1:0/2');
  const watchers = ['127.0.0.1:0/1', '127.0.0.1:0/2', '127.0.0.1:0/3'].map(watcher);
  await next.shutOut(access, watchers, soon());
  await next.shutOut(access, watchers, soon());
  expect([...rbd.blocked.keys()]).toEqual(['127.0.0.1:0/1']);
  expect(rbd.calls.filter(({ operation }) => operation === 'blocklist')).toHaveLength(1);
});

it('lives in between that note nothing, or another client, forget none of them', async () => {
  await life('127.0.0.1:0/1').note(access, soon());
  const second = life('127.0.0.1:0/2');
  await Promise.all([second.note(access, soon()), second.note(access, soon())]);
  await life('127.0.0.1:0/4').shutOut(access, [watcher('127.0.0.1:0/1'), watcher('127.0.0.1:0/2')], soon());
  expect([...rbd.blocked.keys()].sort()).toEqual(['127.0.0.1:0/1', '127.0.0.1:0/2']);
});

it('of another boot nobody is shut out', async () => {
  await life('127.0.0.1:0/1', 'boot before').note(access, soon());
  await life('127.0.0.1:0/2').shutOut(access, [watcher('127.0.0.1:0/1')], soon());
  expect(rbd.blocked.size).toBe(0);
});

it.each(['', '[', 'null', '{}', '{"bootId":"boot","clients":7}'])('a file of %j says nothing', async (text) => {
  await writeFile(path.join(directory, 'clients.json'), text);
  const next = life('127.0.0.1:0/2');
  await next.shutOut(access, [watcher('127.0.0.1:0/1')], soon());
  expect(rbd.blocked.size).toBe(0);
  await next.note(access, soon());
  expect(await readFile(path.join(directory, 'clients.json'), 'utf8')).toContain('127.0.0.1:0/2');
});

it('where the user may not, or the directory is gone, the call goes on', async () => {
  await life('127.0.0.1:0/1').note(access, soon());
  rbd.rightsMissing = ['add'];
  const next = life('127.0.0.1:0/2');
  await next.shutOut(access, [watcher('127.0.0.1:0/1')], soon());
  expect(rbd.blocked.size).toBe(0);
  await rm(directory, { recursive: true });
  await next.note(access, soon());
});
