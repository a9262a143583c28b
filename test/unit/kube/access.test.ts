/** Where the API is and who we are there: service accounts and kubeconfigs, with real files, real TLS and rotation. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { accessFor } from '../../../src/kube/access.js';
import { KubeApi } from '../../../src/kube/api.js';
import { NODES as NODE_RESOURCE } from '../../../src/kube/objects.js';
import { HttpWire } from '../../../src/kube/http.js';
import { ApiServer } from '../../kube/api-server.js';
import { NODES, soon } from '../../kube/api-fixture.js';

let directory = '';
let server: ApiServer;
const apis: KubeApi[] = [];
const file = (name: string): string => path.join(directory, name);

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'berth-kube-'));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
  const subject = ['-subj', '/CN=kube', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...key, '-keyout', 'server.key', '-out', 'ca.crt', ...subject);
  openssl('req', '-x509', ...key, '-keyout', 'client.key', '-out', 'client.crt', '-subj', '/CN=berth');
  const read = (name: string) => readFile(file(name));
  server = new ApiServer({
    key: await read('server.key'),
    cert: await read('ca.crt'),
    ca: await read('client.crt'),
    requestCert: true,
    rejectUnauthorized: false,
  });
  await server.start();
  server.put(NODES, { metadata: { name: 'a' } });
});
afterEach(() => {
  for (const one of apis.splice(0)) one.close();
  server.tokens = undefined;
});
afterAll(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

async function get(choice: string, env: Record<string, string> = {}) {
  const access = await accessFor(choice, { env, serviceAccount: directory });
  const api = new KubeApi(new HttpWire(access!));
  apis.push(api);
  return { api, node: await api.get(NODE_RESOURCE, 'a', soon()) };
}

const inPod = () => ({ KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: new URL(server.url).port });

async function kubeconfig(user: object, cluster: object = {}): Promise<string> {
  const config = {
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server: server.url, 'certificate-authority': 'ca.crt', ...cluster } }],
    users: [{ name: 'u', user }],
  };
  await writeFile(file('kubeconfig'), JSON.stringify(config));
  return file('kubeconfig');
}

describe('in a pod', () => {
  it('the service account is used, and its token is read again when it rotates', async () => {
    await writeFile(file('token'), 'one\n');
    server.tokens = new Set(['one']);
    const { api, node } = await get('auto', inPod());
    expect(node?.metadata.name).toBe('a');
    await writeFile(file('token'), 'two\n');
    server.tokens = new Set(['two']);
    expect((await api.get(NODE_RESOURCE, 'a', soon()))?.metadata.name).toBe('a');
  });

  it('without a service account, outside of a pod, or when told so, there is no Kubernetes', async () => {
    await rm(file('token'), { force: true });
    expect(await accessFor('auto', { env: inPod(), serviceAccount: directory })).toBeUndefined();
    await writeFile(file('token'), 'one');
    expect(await accessFor('auto', { env: {}, serviceAccount: directory })).toBeUndefined();
    expect(await accessFor('off', { env: inPod(), serviceAccount: directory })).toBeUndefined();
  });

  it('an IPv6 address is a host as well', async () => {
    await writeFile(file('token'), 'one');
    const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
    expect((await accessFor('auto', { env, serviceAccount: directory }))?.server.host).toBe('[fd00::1]');
  });

  it('a server whose certificate is not of our CA is not talked to', async () => {
    const good = await readFile(file('ca.crt'));
    await writeFile(file('token'), 'precious');
    await writeFile(file('ca.crt'), await readFile(file('client.crt')));
    const before = server.asked.length;
    await expect(
      accessFor('auto', { env: inPod(), serviceAccount: directory }).then((access) =>
        new KubeApi(new HttpWire(access!)).get(NODE_RESOURCE, 'a', soon().within(1_500)),
      ),
    ).rejects.toThrow(/KUBE_UNREACHABLE.*self-signed certificate/);
    expect(server.asked.length).toBe(before);
    await writeFile(file('ca.crt'), good);
  });
});

describe('a kubeconfig', () => {
  it('with a token, its file, or a client certificate, inline or beside it, is enough', async () => {
    server.tokens = new Set(['t']);
    expect((await get(await kubeconfig({ token: 't' }))).node).toBeDefined();
    await writeFile(file('t'), 't\n');
    expect((await get(await kubeconfig({ tokenFile: 't' }))).node).toBeDefined();
    server.tokens = undefined;
    expect(
      (await get(await kubeconfig({ 'client-certificate': 'client.crt', 'client-key': 'client.key' }))).node,
    ).toBeDefined();
    const inline = async (name: string) => (await readFile(file(name))).toString('base64');
    const ca = { 'certificate-authority': undefined, 'certificate-authority-data': await inline('ca.crt') };
    const user = {
      'client-certificate-data': await inline('client.crt'),
      'client-key-data': await inline('client.key'),
    };
    expect((await get(await kubeconfig(user, ca))).node).toBeDefined();
  });

  it.each([
    ['a program that mints tokens', { exec: { command: 'x' } }, {}, /exec is not supported/],
    ['an impersonation', { token: 't', as: 'root' }, {}, /as is not supported/],
    [
      'a switched-off check of certificates',
      {},
      { 'insecure-skip-tls-verify': true },
      /insecure-skip-tls-verify is not supported/,
    ],
    ['a token that would travel in the clear', { token: 't' }, { server: 'http://10.0.0.1:8080' }, /in the clear/],
    ['no server', {}, { server: 'nowhere' }, /no http\(s\) URL/],
  ])('is refused with %s, and the error names the file', async (_, user, cluster, why) => {
    const config = await kubeconfig(user, cluster);
    await expect(accessFor(config)).rejects.toThrow(why);
    await expect(accessFor(config)).rejects.toThrow(/BERTH_CONFIG_INVALID: configuration .*kubeconfig/);
  });

  it('that is not there or not YAML is an error', async () => {
    await expect(accessFor(file('none'))).rejects.toThrow(/BERTH_CONFIG_INVALID.*ENOENT/);
    await writeFile(file('bad'), '{{{');
    await expect(accessFor(file('bad'))).rejects.toThrow(/not YAML/);
  });
});
