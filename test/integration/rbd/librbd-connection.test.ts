/**
 * Connections that fail, hang, are evicted or idle: each gets its own error, and the next call a connection that works.
 */
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { pino } from 'pino';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '../../../src/model/secret.js';
import type { ClusterAccess } from '../../../src/rbd/port.js';
import type { Librbd } from '../../../src/rbd/librbd/driver/librbd.js';
import { accessAs, admin, cluster } from '../ceph.js';
import { realFixture, startLibrbd } from './librbd.js';
import { refused, soon, spec } from './port.contract.js';
import type { PortFixture } from './port.contract.js';

/** Nobody listens there, on any machine. */
const DEAF = '127.66.6.6:6789';

let fixture: PortFixture;
let fresh: Librbd | undefined;
beforeAll(async () => {
  fixture = await realFixture('connection');
  await fixture.port.createImage(ahead(), spec(), soon());
});
afterAll(() => fixture.close());
afterEach(() => fresh?.close());
const start = (...args: Parameters<typeof startLibrbd>): Librbd => (fresh = startLibrbd(...args));
const ahead = () => ({ ...fixture.at, image: 'ahead' });
const image = (access: ClusterAccess = fixture.at.access) => ({ ...fixture.at, access, image: 'anything' });

describe('a user the cluster does not take', () => {
  it.each([
    ['with another key', { key: new Secret('AQDdAVxnAAAAABAAqKZyfvbOBMsQ2GvTJm0AnA==') }],
    ['with an empty key', { key: new Secret('') }],
    ['that does not exist', { user: 'nobody-knows-me' }],
  ])('%s is refused as such', async (_, change) => {
    const message = await refused(
      start().head(image({ ...accessAs('controller'), ...change }), soon()),
      'BERTH_CLUSTER_AUTH_FAILED',
    );
    expect(message).toContain('dev');
  });

  const ofType = (type: number): string => {
    const bytes = Buffer.from(cluster().users.controller.key, 'base64');
    bytes.writeUInt16LE(type, 0);
    return bytes.toString('base64');
  };
  const own = (): string => cluster().users.controller.key;
  type Slip = [string, () => Partial<Record<'user' | 'key', string>>, RegExp];
  /** Is this run's librados one that reads keys of type 2? */
  const knowsNewKeys = (): boolean => path.basename(process.env['BERTH_CLIENT_ROOT'] ?? '').startsWith('sid-');
  const slips: Slip[] = [
    ['a key that is no key', () => ({ key: 'not-even-base64' }), /letters in it that base64 does not have/],
    ['a key in quotes', () => ({ key: `"${own()}"` }), /quotes/],
    ['a blank in the key', () => ({ key: `${own().slice(0, 8)} ${own().slice(8)}` }), /a blank or a line break/],
    ['a line break in the key', () => ({ key: `${own().slice(0, 8)}\n${own().slice(8)}` }), /a blank or a line break/],
    ['a key without its padding', () => ({ key: own().replace(/=+$/, '') }), /padding/],
    ['a key that was cut', () => ({ key: own().slice(0, 24) }), /base64, and not of a cephx key/],
    ['a key of a type of the future', () => ({ key: ofType(9) }), /key is of type 9 \(unknown\)/],
    ['the prefix client.', () => ({ user: 'client.admin' }), /without "client\."/],
    ['a line break in the user', () => ({ user: 'admin\n' }), /"admin\\n".*a blank or a line break/],
  ];
  const typeTwo: Slip = [
    'a key of type 2',
    () => ({ key: ofType(2) }),
    /key is of type 2 \(aes256k\), which the librados/,
  ];
  it.each([...slips, ...(knowsNewKeys() ? [] : [typeTwo])])(
    'with %s is told that, and no monitor is blamed',
    async (_, change, says) => {
      const { key, ...rest } = { ...{ key: own() }, ...change() };
      const access = { ...accessAs('controller'), ...rest, key: new Secret(key) };
      const message = await refused(start().head(image(access), soon()), 'BERTH_CREDENTIALS_INVALID');
      expect(message).toMatch(says);
      expect(message).not.toContain(key);
      expect(message).not.toContain(own().slice(0, 8));
    },
  );

  it('without caps for the pool is told what it may not', async () => {
    const key = await admin().ceph(['auth', 'get-or-create-key', 'client.it-looker', 'mon', 'allow r'], soon());
    try {
      const access = { ...accessAs('controller'), user: 'it-looker', key: new Secret(key.trim()) };
      expect(await refused(start().createImage(image(access), spec(), soon()), 'BERTH_CEPH_DENIED')).toContain(
        'it-looker',
      );
    } finally {
      await admin().ceph(['auth', 'rm', 'client.it-looker'], soon());
    }
  });
});

describe('a monitor that cannot be reached', () => {
  let silent: Server;
  beforeAll(async () => {
    silent = createServer(() => undefined).listen(0, '127.66.6.7');
    await once(silent, 'listening');
  });
  afterAll(() => silent.close());
  const addresses = (): [string, string][] => {
    const bound = silent.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    return [
      ['nobody listens', DEAF],
      ['it accepts and never answers', `v2:127.66.6.7:${port}`],
    ];
  };

  it('fails when Ceph gives up', async () => {
    for (const [, address] of addresses()) {
      const access = { ...accessAs('controller'), monitors: [address] };
      await refused(start({ connectSeconds: 1 }).head(image(access), soon()), 'BERTH_CLUSTER_UNREACHABLE');
      await fresh?.close();
    }
  });

  it('fails at the deadline where that is earlier, and does not keep other clusters waiting', async () => {
    const port = start({ connectSeconds: 60, threads: 8 });
    const sick = addresses().flatMap(([, address]) => {
      const access = { ...accessAs('controller'), monitors: [address] };
      return Array.from({ length: 30 }, () => refused(port.head(image(access), soon(500)), 'BERTH_DEADLINE'));
    });
    const begin = performance.now();
    expect(await port.head(image(), soon())).toBeUndefined();
    expect(performance.now() - begin).toBeLessThan(50_000);
    await Promise.all(sick);
    expect(performance.now() - begin).toBeLessThan(55_000);
  });

  it('that has no address at all is told from one that is silent', async () => {
    const access = { ...accessAs('controller'), monitors: [] };
    expect(await refused(start().head(image(access), soon()), 'BERTH_CLUSTER_UNREACHABLE')).toContain(
      'it has no monitors',
    );
  });
});

describe('a monitor whose name nobody knows', () => {
  const NOWHERE = ['mon-a.invalid', 'mon-b.invalid:6789', '[v2:mon-c.invalid:3300,v1:mon-c.invalid:6789]'] as const;

  it.each(NOWHERE)('%s beside a good one does not take the cluster away, and the log says so', async (bad) => {
    const lines: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    for (const monitors of [
      [bad, ...cluster().monitors],
      [...cluster().monitors, bad],
    ]) {
      const port = start({ log });
      expect(await port.head(image({ ...accessAs('controller'), monitors }), soon())).toBeUndefined();
      await port.close();
    }
    await expect
      .poll(() => lines.join(''), { timeout: 60_000 })
      .toMatch(/cluster dev: mon-[abc]\.invalid cannot be resolved \(\w+\); its other monitors are used/);
  });

  it('is named where there is no other', async () => {
    const access = { ...accessAs('controller'), monitors: NOWHERE };
    const message = await refused(start().head(image(access), soon()), 'BERTH_CLUSTER_UNREACHABLE');
    expect(message).toMatch(/mon-a\.invalid cannot be resolved .*mon-b\.invalid .*mon-c\.invalid /);
  });

  it('does no harm beside a vector where its name is known: librados itself cannot have both', async () => {
    const access = { ...accessAs('controller'), monitors: [...cluster().monitors, 'localhost:1'] };
    expect(await start().head(image(access), soon())).toBeUndefined();
  });
});

describe('a connection', () => {
  it('of a client that was evicted says so once, and the next call has another', async () => {
    const port = start();
    const { instance } = await port.identify(fixture.at.access, soon());
    await port.setRecords(fixture.at, 'berth.evicted', new Map([['a', '1']]), soon());
    await admin().ceph(['osd', 'blocklist', 'add', instance, '60'], soon());
    try {
      // The monitor has said yes; the OSD and we hear of it a moment later.
      let evicted: unknown;
      for (const deadline = soon(20_000); evicted === undefined && !deadline.expired; ) {
        evicted = await port
          .setRecords(fixture.at, 'berth.evicted', new Map([['a', '2']]), soon())
          .catch((e: unknown) => e);
      }
      expect(evicted).toMatchObject({ code: 'BERTH_CLIENT_EVICTED', status: 'UNAVAILABLE' });
      await port.setRecords(fixture.at, 'berth.evicted', new Map([['a', '3']]), soon());
      expect((await port.identify(fixture.at.access, soon())).instance).not.toBe(instance);
    } finally {
      await admin().ceph(['osd', 'blocklist', 'rm', instance], soon());
    }
  });

  it('is shared by all first callers', async () => {
    const port = start();
    const all = await Promise.all(Array.from({ length: 20 }, () => port.identify(fixture.at.access, soon())));
    expect(new Set(all.map(({ instance }) => instance)).size).toBe(1);
    expect(all[0]!.fsid).toBe(cluster().fsid);
  });

  it.each([
    ['', () => Promise.resolve()],
    [', with the image that was opened ahead for nobody', (port: Librbd) => port.openAhead(ahead(), soon())],
  ])('that is idle is closed%s, and made again when it is needed', async (_, openAhead) => {
    const port = start({ idleMs: 1_000 });
    const first = await port.identify(fixture.at.access, soon());
    await openAhead(port);
    const threads = () => readdirSync(`/proc/${port.workerPid()!}/task`).length;
    const busy = threads();
    for (const deadline = soon(60_000); threads() >= busy && !deadline.expired; ) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(threads()).toBeLessThan(busy);
    expect((await port.identify(fixture.at.access, soon())).instance).not.toBe(first.instance);
    expect(await port.watchers(ahead(), soon())).toEqual([]);
  });

  it('survives that its idle time is over in the middle of many calls', async () => {
    const port = start({ idleMs: 0 });
    for (let n = 0; n < 100; n++) expect(await port.head(image(), soon())).toBeUndefined();
    const many = await Promise.all(Array.from({ length: 100 }, () => port.head(image(), soon())));
    expect(many.every((one) => one === undefined)).toBe(true);
  });
});
