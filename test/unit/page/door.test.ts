/** Who gets into the page: tokens, logins, certificates, guesses; and what an answer lets a browser do. */
import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Question } from '../../../src/page/answer-request.js';
import { LIMITS, servePage } from '../../../src/page/page-server.js';
import { readPageSettings } from '../../../src/page/page-settings.js';
import { nextAfterLogin } from '../../../src/page/html/login-view.js';
import { isSession, sessionCookie } from '../../../src/page/door/session-cookie.js';
import { WrongTokens } from '../../../src/page/door/wrong-tokens.js';
import { Secret } from '../../../src/model/secret.js';
import { createLog } from '../../../src/observe/log.js';
import { pageFixture, TOKEN, untilShown } from '../../page/page-fixture.js';

const NO_FILES = { pageTokenFile: undefined, pageTlsCert: undefined, pageTlsKey: undefined, pageClientCa: undefined };
const at = pageFixture();

const login = (token: string, more: Readonly<Record<string, string>> = {}, next = '/') =>
  fetch(`${at.origin}/login`, {
    method: 'POST',
    headers: more,
    body: new URLSearchParams({ token, next }),
    redirect: 'manual',
  });

describe('without the token', () => {
  it.each(['/', '/rows', '/volume?pv=pv-1', '/chain?pv=pv-1', '/docs/runbook', '/nothing'])(
    '%s is refused, and shows nothing',
    async (address) => {
      await at.serve();
      for (const headers of [{}, { authorization: 'Bearer wrong' }, { cookie: 'berth=99999999999.aaaa' }]) {
        const answer = await fetch(at.origin + address, { headers });
        expect(answer.status).toBe(401);
        expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="berth"');
        expect(await answer.text()).not.toMatch(/pv-1<|shop|berth-v/);
      }
    },
  );

  it('style, script and icon are there, for the form', async () => {
    await at.serve();
    const text = await (await fetch(at.origin)).text();
    const addresses = [...text.matchAll(/(?:href|src)="(\/(?:page|icon)[^"]+)"/g)].map(([, one]) => one!);
    expect(addresses).toHaveLength(3);
    for (const address of addresses) {
      const answer = await fetch(at.origin + address);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('cache-control')).toContain('immutable');
      // As a page of another release names it, which another controller served.
      const other = await fetch(at.origin + address.replace(/\?.*/, '?of-another-release'));
      expect([other.status, other.headers.get('cache-control')]).toEqual([200, 'no-store']);
    }
  });
});

describe('a login', () => {
  it('gives a cookie for the rest of the day, which scripts and other sites do not get, and goes on', async () => {
    await at.serve();
    const answer = await login(TOKEN, {}, '/volume?pv=pv-1');
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/volume?pv=pv-1']);
    const [cookie = ''] = answer.headers.getSetCookie();
    expect(cookie).toMatch(/^berth=\d+\.[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/);
    expect(cookie).not.toContain(TOKEN);
    const headers = { cookie: `other=1; ${cookie.split(';')[0]}` };
    const shown = await (await fetch(at.origin, { headers })).text();
    expect(shown).toContain('shop/data');
    expect(shown).toContain('Log out');
    const out = await fetch(`${at.origin}/logout`, { method: 'POST', headers, redirect: 'manual' });
    expect(out.headers.getSetCookie()[0]).toContain('Max-Age=0');
  });

  it('ends with another token', async () => {
    await at.serve();
    const [cookie = ''] = (await login(TOKEN)).headers.getSetCookie();
    const headers = { cookie: cookie.split(';')[0]! };
    expect((await fetch(at.origin, { headers })).status).toBe(200);
    await writeFile(at.tokenFile, 'another-token-of-length');
    await expect.poll(async () => (await fetch(at.origin, { headers })).status).toBe(401);
    expect((await login(TOKEN)).status).toBe(401);
    expect((await login('another-token-of-length')).status).toBe(303);
  });

  it('of another site is refused, and so is more than a form', async () => {
    await at.serve();
    expect((await login(TOKEN, { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await login('x'.repeat(5_000))).status).toBe(413);
    expect((await login(TOKEN)).status).toBe(303);
  });

  it('that breaks off in the middle is no failure of the page: nobody gets in, the log has no line', async () => {
    const said: string[] = [];
    const log = Object.assign(createLog('silent'), { error: (_: object, text: string) => said.push(text) });
    const settings = readPageSettings('127.0.0.1:0', { ...NO_FILES, pageTokenFile: '/t' });
    const answered: string[] = [];
    const answer = ({ method }: Question) => {
      answered.push(method);
      return Promise.resolve({ status: 200, headers: {}, body: 'well' });
    };
    const server = await servePage(settings, answer, log);
    const head = 'POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\ntoken=';
    const socket = net.connect(server.port, '127.0.0.1', () => socket.write(head, () => socket.destroy()));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(await (await fetch(`http://127.0.0.1:${server.port}`)).text()).toBe('well');
    await server.stop();
    expect([answered, said]).toEqual([['GET'], []]);
  });

  it('is not heard any more after ten wrong tokens, not even with the right one; who is in stays in', async () => {
    await at.serve();
    const [cookie = ''] = (await login(TOKEN)).headers.getSetCookie();
    for (let index = 0; index < 10; index += 1) expect((await login(`wrong-${index}`)).status).toBe(401);
    const answer = await login(TOKEN);
    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(50);
    expect((await at.get('/')).status).toBe(429);
    expect((await fetch(at.origin, { headers: { cookie: cookie.split(';')[0]! } })).status).toBe(200);
  });

  it.each([
    ['/', '/'],
    ['/?q=a', '/?q=a'],
    ['/volume?pv=x', '/volume?pv=x'],
    ['/docs/trace', '/docs/trace'],
    ['//evil.example', '/'],
    ['/\\evil.example', '/'],
    ['https://evil.example', '/'],
    ['/login', '/'],
    ['/?a\r\nset-cookie: x', '/'],
  ])('that comes from %j goes on to %s', (from, to) => {
    expect(nextAfterLogin(from)).toBe(to);
  });
});

describe('a session', () => {
  const [token, other] = [new Secret('one'), new Secret('two')];
  const now = 1_800_000_000_000;
  const cookie = sessionCookie(token, false, now).split(';')[0]!;

  it('holds until its end, for its token, without a changed letter', () => {
    expect(isSession(cookie, token, false, now)).toBe(true);
    expect(isSession(cookie, token, false, now + 43_200_000)).toBe(false);
    expect(isSession(cookie, other, false, now)).toBe(false);
    expect(isSession(cookie.replace(/=\d/, '=9'), token, false, now)).toBe(false);
    expect(isSession(cookie.slice(0, -1), token, false, now)).toBe(false);
    expect(isSession(cookie, token, true, now)).toBe(false);
    expect(isSession(undefined, token, false, now)).toBe(false);
  });
});

describe('wrong tokens', () => {
  it('are counted for a thousand addresses at most, and forgotten after a minute', () => {
    let now = 0;
    const wrong = new WrongTokens(() => now);
    for (let index = 0; index < 10; index += 1) expect(wrong.add('x')).toBe(index === 0);
    expect(wrong.waitSeconds('x')).toBe(60);
    expect(wrong.waitSeconds('y')).toBe(0);
    now = 60_000;
    expect(wrong.waitSeconds('x')).toBe(0);
    expect(wrong.add('x')).toBe(true);
    for (let index = 0; index < 10; index += 1) wrong.add('z');
    for (let index = 0; index < 1_000; index += 1) wrong.add(String(index));
    expect(wrong.waitSeconds('z')).toBe(0);
  });
});

describe('an answer', () => {
  it('loads nothing from elsewhere, is framed by nobody, and is kept by no browser', async () => {
    await at.serve();
    for (const answer of [await at.get('/'), await fetch(at.origin), await at.get('/nothing'), await at.get('/rows')]) {
      const { headers } = answer;
      expect(headers.get('content-security-policy')).toMatch(
        /^default-src 'none'; style-src 'self'; script-src 'self';/,
      );
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('same-origin');
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('access-control-allow-origin')).toBeNull();
    }
    const text = await (await at.get('/volume?pv=pv-1')).text();
    expect(text).not.toMatch(/ style=| on\w+=|<style|javascript:|https?:/);
  });

  it('changes nothing: other methods are refused, HEAD is a GET without a body', async () => {
    await at.serve();
    const headers = { authorization: `Bearer ${TOKEN}` };
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const answer = await fetch(at.origin, { method, headers });
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    }
    const head = await fetch(at.origin, { method: 'HEAD', headers });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect(Number(head.headers.get('content-length'))).toBeGreaterThan(1_000);
  });

  it('to a header of more than 8 KiB is 431, to an address that is none 400', async () => {
    await at.serve();
    expect((await at.get(`/?q=${'x'.repeat(9_000)}`)).status).toBe(431);
    expect(await raw('GET http://evil.example/ HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
    expect(await raw('GET //evil.example/ HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
  });
});

/** What the server says to this, before it ends the connection. */
function raw(text: string): Promise<string> {
  return new Promise((resolve) => {
    let heard = '';
    const socket = net.connect(Number(new URL(at.origin).port), '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => {
      heard += chunk.toString();
      socket.destroy();
    });
    socket.once('close', () => resolve(heard));
  });
}

describe('connections', () => {
  it('that say nothing are closed, and one too many is not taken; others are answered then', async () => {
    const settings = readPageSettings('127.0.0.1:0', { ...NO_FILES, pageTokenFile: '/t' });
    const limits = { ...LIMITS, connections: 8, headersMs: 100, requestMs: 100 };
    const answer = () => Promise.resolve({ status: 200, headers: {}, body: 'well' });
    const server = await servePage(settings, answer, createLog('silent'), limits);
    try {
      const closed: Promise<void>[] = [];
      for (let index = 0; index < 40; index += 1) {
        const socket = net.connect(server.port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHos'));
        socket.on('error', () => undefined).resume();
        closed.push(new Promise((resolve) => socket.once('close', () => resolve())));
      }
      await Promise.all(closed);
      expect(await (await fetch(`http://127.0.0.1:${server.port}`)).text()).toBe('well');
    } finally {
      await server.stop();
    }
  });
});

describe('a page that nobody, or anybody, could open', () => {
  it.each([
    ['no token and no authority', { pageTokenFile: undefined }, /nobody could open the page/],
    ['an address of the network without TLS', { pageAddress: ':8443' }, /without TLS it is served at 127.0.0.1 alone/],
    ['the same by IPv6', { pageAddress: '[::]:8443' }, /without TLS/],
    ['a certificate without a key', { pageTlsCert: '/c' }, /come together/],
    ['an authority without TLS', { pageClientCa: '/c' }, /need TLS/],
    ['no address', { pageAddress: 'x' }, /it is not host:port/],
    ['a token file that is not there', { pageTokenFile: '/none' }, /page-token-file \/none: ENOENT/],
    ['a certificate that is not there', { pageTlsCert: '/none', pageTlsKey: '/none' }, /page-tls-cert \/none: ENOENT/],
  ])('is not served: %s', async (_, options, why) => {
    await expect(at.serve(options)).rejects.toThrow(why);
    await expect(at.serve(options)).rejects.toThrow(/^BERTH_CONFIG_INVALID: /);
  });

  it.each(['', 'short', 'with a space in the middle of it'])('is not served with the token %j', async (token) => {
    await writeFile(at.tokenFile, token);
    await expect(at.serve()).rejects.toThrow(/has no token of 16 or more/);
  });

  it('is shut while its token cannot be read, which the log says once', async () => {
    const said: string[] = [];
    const log = Object.assign(createLog('silent'), { error: (_: object, text: string) => said.push(text) });
    await at.serve({}, log);
    await writeFile(at.tokenFile, '');
    await expect.poll(async () => (await at.get('/')).status).toBe(503);
    expect((await at.get('/')).status).toBe(503);
    expect(said).toHaveLength(1);
  });
});

it('shows no secret that anybody gave it: no token, no key of Ceph, no name of a Secret’s content', async () => {
  at.change('/api/v1/persistentvolumes', 'pv-1', {
    spec: {
      csi: {
        driver: 'rbd.csi.berth.dev',
        volumeHandle: 'c1/rbd/berth-v',
        nodeStageSecretRef: { name: 'berth-node', namespace: 'x' },
      },
    },
  });
  at.token = 'what-the-driver-shows-to-the-api';
  await at.serve();
  await untilShown(at, '/', 'shop/data');
  for (const address of [
    '/',
    '/rows',
    '/volume?pv=pv-1',
    '/chain?pv=pv-1',
    '/docs/runbook',
    '/nothing',
    '/volume?pv=pv-9',
  ]) {
    const answer = await at.get(address);
    const text = JSON.stringify([...answer.headers]) + (await answer.text());
    for (const secret of [TOKEN, at.token]) expect(text).not.toContain(secret);
    expect(text).not.toMatch(/AQ[A-Za-z0-9+/]{36}==/);
  }
});
