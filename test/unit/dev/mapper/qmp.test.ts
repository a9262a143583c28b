import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Deadline } from '../../../../src/model/deadline.js';
import { QmpSession } from '../../../../src/dev/mapper/qmp.js';

const GREETING = '{"QMP": {"version": {}, "capabilities": []}}\r\n';
const soon = (ms = 60_000): Deadline => Deadline.after(ms);
let directory: string;
let server: Server;
let clients: Socket[];

/** A monitor that answers each command as `answer` says; undefined is silence. */
async function monitor(
  answer: (command: string, id: number) => string | undefined,
  greeting = GREETING,
): Promise<string> {
  const file = path.join(directory, 's');
  server = createServer((socket) => {
    clients.push(socket);
    socket.write(greeting);
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      const { execute, id } = JSON.parse(String(data)) as { execute: string; id: number };
      const text = execute === 'qmp_capabilities' ? `{"return": {}, "id": ${id}}\r\n` : answer(execute, id);
      if (text !== undefined) socket.write(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(file, resolve));
  return file;
}

beforeEach(async () => {
  clients = [];
  directory = await mkdtemp(path.join(os.tmpdir(), 'berth-qmp-'));
});
afterEach(async () => {
  for (const client of clients) client.destroy();
  server.close();
  await rm(directory, { recursive: true });
});

it('gives the answer to each command, however the bytes are cut', async () => {
  const file = await monitor((command, id) => {
    setTimeout(() => clients[0]?.write(`": ${id}}\r\n`), 20);
    return `{"return": {"was": "${command}"}, "id`;
  });
  const session = await QmpSession.connect(file, soon());
  expect(await session.execute('query-x', {}, soon())).toEqual({ was: 'query-x' });
  session.close();
});

it('fails with the description that QEMU gives', async () => {
  const file = await monitor(
    (_command, id) => `{"error": {"class": "GenericError", "desc": "no such"}, "id": ${id}}\r\n`,
  );
  const session = await QmpSession.connect(file, soon());
  await expect(session.execute('x', {}, soon())).rejects.toThrow('no such');
  session.close();
});

it('keeps an event that overtakes the answer, and gives each only once', async () => {
  const event = '{"event": "GONE", "data": {"id": "a"}}\r\n';
  const file = await monitor((_command, id) => `${event}{"return": {}, "id": ${id}}\r\n`);
  const session = await QmpSession.connect(file, soon());
  await session.execute('del', {}, soon());
  await session.event('GONE', ({ id }) => id === 'a', soon());
  await expect(session.event('GONE', () => true, soon(50))).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
});

it('ends a command by its deadline and closes the session, for nobody knows what became of it', async () => {
  const file = await monitor(() => undefined);
  const session = await QmpSession.connect(file, soon());
  await expect(session.execute('blockdev-add', {}, soon(50))).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
  await expect(session.execute('query-x', {}, soon())).rejects.toThrow('closed');
});

it('fails what waits when the daemon goes away', async () => {
  const file = await monitor(() => undefined);
  const session = await QmpSession.connect(file, soon());
  const [command, event] = [session.execute('x', {}, soon()), session.event('E', () => true, soon())];
  const both = Promise.allSettled([command, event]);
  clients[0]?.destroy();
  expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});

it('does not wait for ever for a greeting, and fails at once where nobody listens', async () => {
  const file = await monitor(() => undefined, ' ');
  await expect(QmpSession.connect(file, soon(50))).rejects.toMatchObject({ code: 'BERTH_DEADLINE' });
  await expect(QmpSession.connect(path.join(directory, 'absent'), soon())).rejects.toMatchObject({ code: 'ENOENT' });
});

it('does not take anything else that listens for QEMU', async () => {
  const file = await monitor(() => undefined, 'SSH-2.0-x\r\n');
  await expect(QmpSession.connect(file, soon())).rejects.toThrow('closed');
});
