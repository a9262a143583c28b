/** The page over TLS: certificates of its visitors, and its own that is renewed. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import https from 'node:https';
import path from 'node:path';
import tls from 'node:tls';
import { describe, expect, it } from 'vitest';
import { createLog } from '../../../src/observe/log.js';
import { readCertificates, watchCertificates } from '../../../src/page/certificates.js';
import { pageFixture, TOKEN } from '../../page/page-fixture.js';

const at = pageFixture();

describe('over TLS', () => {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: at.directory, stdio: 'ignore' });
  const file = (name: string): string => path.join(at.directory, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];

  function certificates(): Readonly<Record<string, string>> {
    openssl('req', '-x509', ...key, '-keyout', 'server.key', '-out', 'server.crt', '-subj', '/CN=localhost');
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=people');
    openssl('req', ...key, '-keyout', 'person.key', '-out', 'person.csr', '-subj', '/CN=somebody');
    openssl(
      'x509',
      '-req',
      '-in',
      'person.csr',
      '-CA',
      'ca.crt',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-out',
      'person.crt',
    );
    openssl('req', '-x509', ...key, '-keyout', 'stranger.key', '-out', 'stranger.crt', '-subj', '/CN=people');
    return { pageTlsCert: file('server.crt'), pageTlsKey: file('server.key') };
  }

  const ask = (who: string | undefined, headers: Readonly<Record<string, string>> = {}) =>
    new Promise<{ status: number | undefined; cookie: string; text: string }>((resolve, reject) => {
      const own =
        who === undefined ? {} : { cert: readFileSync(file(`${who}.crt`)), key: readFileSync(file(`${who}.key`)) };
      const url = at.origin.replace('http:', 'https:');
      const request = https.get(
        url,
        {
          ...own,
          ca: readFileSync(file('server.crt')),
          servername: 'localhost',
          headers,
          agent: false,
          checkServerIdentity: () => undefined,
        },
        (answer) => {
          let text = '';
          answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
          answer.once('end', () =>
            resolve({ status: answer.statusCode, cookie: String(answer.headers['set-cookie']), text }),
          );
        },
      );
      request.once('error', reject);
    });

  it('a certificate of the authority opens it, another one or none does not, and a token still does', async () => {
    await at.serve({ ...certificates(), pageAddress: ':0', pageClientCa: file('ca.crt') });
    expect((await ask('person')).text).toContain('shop/data');
    expect((await ask('stranger')).status).toBe(401);
    expect((await ask(undefined)).status).toBe(401);
    expect((await ask(undefined, { authorization: `Bearer ${TOKEN}` })).status).toBe(200);
  });

  /** What the server says on a connection that resumes `session`, and the session for the next one. */
  const askOn = (session: Buffer | undefined, who: string | undefined) =>
    new Promise<{ text: string; session: Buffer | undefined }>((resolve, reject) => {
      const own =
        who === undefined ? {} : { cert: readFileSync(file(`${who}.crt`)), key: readFileSync(file(`${who}.key`)) };
      const { port } = new URL(at.origin);
      const known = session === undefined ? {} : { session };
      const peer = { port: Number(port), ca: readFileSync(file('server.crt')), servername: 'localhost' };
      const socket = tls.connect({ ...peer, ...own, ...known, checkServerIdentity: () => undefined }, () =>
        socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
      );
      let [text, next]: [string, Buffer | undefined] = ['', socket.getSession()];
      socket.on('session', (one: Buffer) => (next = one));
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.once('error', reject);
      socket.once('close', () => resolve({ text, session: next }));
    });

  it.each([undefined, 'stranger'])(
    'a session that is resumed opens no more than the one before: certificate %s',
    async (who) => {
      await at.serve({ ...certificates(), pageClientCa: file('ca.crt') });
      const first = await askOn(undefined, who);
      expect(first.text).toMatch(/^HTTP\/1.1 401 /);
      expect(first.session).toBeDefined();
      const second = await askOn(first.session, who);
      expect(second.text).toMatch(/^HTTP\/1.1 401 /);
      expect(second.text).not.toContain('shop/data');
    },
  );

  it('where certificates alone open it, nobody is asked for a token', async () => {
    await at.serve({ ...certificates(), pageClientCa: file('ca.crt'), pageTokenFile: undefined });
    const { status, text } = await ask(undefined);
    expect(status).toBe(401);
    expect(text).toContain('has to show a certificate');
    expect(text).not.toContain('<form');
    expect((await ask(undefined, { authorization: `Bearer ${TOKEN}` })).status).toBe(401);
  });

  it('refuses a key of another certificate at the start', async () => {
    const files = certificates();
    await expect(at.serve({ ...files, pageTlsKey: file('ca.key') })).rejects.toThrow(
      /^BERTH_CONFIG_INVALID: .*page-tls-key/,
    );
  });

  it('goes over to a certificate that was renewed, and keeps the last good one', async () => {
    const { pageTlsCert: cert = '', pageTlsKey: key = '' } = certificates();
    const files = { cert, key, clientCa: undefined };
    const before = await readCertificates(files);
    const used: unknown[] = [];
    const watch = () => watchCertificates(files, before, (next) => used.push(next.cert), createLog('silent'));
    await watch().stop();
    expect(used).toEqual([]);
    await copyFile(file('ca.crt'), cert);
    await watch().stop();
    expect(used).toEqual([]);
    await copyFile(file('ca.key'), key);
    await watch().stop();
    expect(used).toEqual([readFileSync(file('ca.crt'), 'utf8')]);
  });
});
