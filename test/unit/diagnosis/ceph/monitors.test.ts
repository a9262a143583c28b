/** Monitors one by one, against real sockets that speak, stay silent, refuse, or speak something else. */
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Deadline } from '../../../../src/model/deadline.js';
import { endpointsOf, endpointText } from '../../../../src/rbd/monitor-address.js';
import { checkMonitorsOf } from '../../../../src/diagnosis/ceph/monitors.js';

const servers: net.Server[] = [];
const sockets = new Set<net.Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Listens on a port of its own and greets with `said`, in pieces. */
function listen(...said: readonly string[]): Promise<number> {
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    said.forEach((one, n) => setTimeout(() => socket.write(one), 10 * n));
  });
  servers.push(server);
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as net.AddressInfo).port)),
  );
}

const check = (...monitors: string[]) => checkMonitorsOf('dev', monitors, Deadline.after(300));
const closed = async (): Promise<number> => {
  const port = await listen();
  await new Promise((resolve) => servers.pop()!.close(resolve));
  return port;
};

describe('endpointsOf', () => {
  it.each<[string, readonly string[]]>([
    ['10.0.0.1', ['v2 10.0.0.1:3300', 'v1 10.0.0.1:6789']],
    ['mon.example', ['v2 mon.example:3300', 'v1 mon.example:6789']],
    ['10.0.0.1:6789', ['v1 10.0.0.1:6789']],
    ['10.0.0.1:3300/0', ['v2 10.0.0.1:3300']],
    ['10.0.0.1:7000', ['any 10.0.0.1:7000']],
    ['v2:10.0.0.1', ['v2 10.0.0.1:3300']],
    ['v1:10.0.0.1:7000', ['v1 10.0.0.1:7000']],
    ['[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]', ['v2 10.0.0.1:3300', 'v1 10.0.0.1:6789']],
    ['10.0.0.1,10.0.0.2:6789', ['v2 10.0.0.1:3300', 'v1 10.0.0.1:6789', 'v1 10.0.0.2:6789']],
    ['[fd00::1]', ['v2 [fd00::1]:3300', 'v1 [fd00::1]:6789']],
    ['[fd00::1]:6789', ['v1 [fd00::1]:6789']],
    ['[v2:[fd00::1]:3300,v1:[fd00::1]:6789]', ['v2 [fd00::1]:3300', 'v1 [fd00::1]:6789']],
  ])('%s', (monitor, endpoints) => {
    expect(endpointsOf(monitor).map((one) => `${one.messenger ?? 'any'} ${endpointText(one)}`)).toEqual(endpoints);
  });
});

describe('checkMonitorsOf', () => {
  it('is content with a monitor that speaks both messengers, whichever way its banner arrives', async () => {
    const [v2, v1] = [await listen('ceph', ' v2\n\x10\0rest'), await listen('ceph v027and more')];
    const [finding] = await check(`[v2:127.0.0.1:${v2},v1:127.0.0.1:${v1}]`);
    expect(finding).toMatchObject({ level: 'ok', name: `monitor dev/[v2:127.0.0.1:${v2},v1:127.0.0.1:${v1}]` });
    expect(finding!.says).toMatch(/v2 127.0.0.1:\d+ answers in \d+ ms, v1 127.0.0.1:\d+ answers/);
  });

  it('takes either messenger at a port of no fixed meaning', async () => {
    expect(await check(`127.0.0.1:${await listen('ceph v027')}`)).toMatchObject([{ level: 'ok' }]);
  });

  it('warns of a messenger that is off, and what that means for the kernel´s client', async () => {
    const v2 = await listen('ceph v2\n');
    const [finding] = await check(`[v2:127.0.0.1:${v2},v1:127.0.0.1:${await closed()}]`);
    expect(finding).toMatchObject({ level: 'warning' });
    expect(finding!.says).toMatch(/v1 127.0.0.1:\d+ refuses connections; .*ms_mode/);
  });

  it('fails with the reason where nobody answers as a monitor', async () => {
    const silent = await listen();
    const wrong = await listen('SSH-2.0-OpenSSH');
    const other = await listen('ceph v027');
    const findings = await check(
      ...[`127.0.0.1:${await closed()}`, `127.0.0.1:${silent}`, `127.0.0.1:${wrong}`],
      ...[`v2:127.0.0.1:${other}`, 'no.such.host.invalid:6789'],
    );
    expect(findings.map(({ level }) => level)).toEqual(Array(5).fill('failed'));
    for (const [n, words] of [
      /refuses connections/,
      /accepts connections and says nothing \(\d+ ms\)/,
      /is not a Ceph monitor's messenger/,
      /is not a Ceph monitor's v2/,
      /is a name that|no answer in/,
    ].entries()) {
      expect(findings[n]!.says).toMatch(words);
    }
  });

  it('makes a dead monitor a warning while another one answers', async () => {
    const [alive, dead] = [await listen('ceph v2\n'), await closed()];
    const levels = (await check(`v2:127.0.0.1:${alive}`, `v2:127.0.0.1:${dead}`)).map(({ level }) => level);
    expect(levels).toEqual(['ok', 'warning']);
  });

  it('ends by its deadline, whatever the monitors do', async () => {
    const ports = await Promise.all(Array.from({ length: 5 }, () => listen()));
    const began = performance.now();
    await check(...ports.map((port) => `127.0.0.1:${port}`));
    expect(performance.now() - began).toBeLessThan(30_000);
  });
});
