/**
 * docs/install.md, command by command: the real kubectl, ceph, rbd and rados, the driver by the manifests' own words.
 * The API server, docker and helm are played. It ends with nothing of Berth in the pool and in the API.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { keyringOf, layoutOf } from '../../../src/dev/ceph/layout.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { ApiServer } from '../../kube/api-server.js';
import { admin, cluster, scratchDirectory } from '../ceph.js';
import { ApiFront } from './api/front.js';
import type { Machine } from './containers.js';
import { Operator } from './operator.js';
import { kubectlOrNone } from './kubectl.js';
import { commandsOf } from './page.js';
import { ANSWERS, isOf, isOnNode, type Way } from './plan.js';
import type { Outcome } from './place.js';
import { Workloads } from './workloads.js';

const NODE = 'worker-7';
const soon = (): Deadline => Deadline.after(60_000);
const kubectl = await kubectlOrNone();

describe.skipIf(kubectl === undefined)('docs/install.md', () => {
  const behind = new ApiServer();
  const pool = `install-${randomBytes(4).toString('hex')}`;
  let front: ApiFront;
  let workloads: Workloads;
  let operator: Operator;
  let scratch: string;
  /** Of what was begun, in that order: each is ended, whatever becomes of the others. */
  const ends: (() => Promise<unknown>)[] = [];

  /** The page's pool and users are those of others in this cluster: here they have names of their own. */
  const here = (text: string): string =>
    text.replaceAll(/\bhyper\b/g, pool).replaceAll(/client\.berth-/g, `client.${pool}-`);
  const userOf = (role: string): string => `${pool}-${role}`;

  beforeAll(async () => {
    scratch = await scratchDirectory('in');
    ends.push(removeFromCeph);
    await behind.start();
    ends.push(() => behind.stop());
    const account = certificate(scratch);
    front = new ApiFront(behind, account);
    await front.start();
    ends.push(() => front.stop());
    behind.put('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: NODE } });
    const drivers = { drivers: [{ name: 'rbd.csi.berth.dev', nodeID: NODE }] };
    behind.put('/apis/storage.k8s.io/v1/csinodes', {
      ...{ apiVersion: 'storage.k8s.io/v1', kind: 'CSINode', metadata: { name: NODE } },
      spec: drivers,
    });
    const node = path.join(scratch, 'node');
    const kubelet = path.join(node, 'var/lib/kubelet');
    for (const one of ['tmp', 'var/lib/kubelet/plugins', 'var/lib/kubelet/pods', 'run'])
      mkdirSync(path.join(node, one), { recursive: true });
    await run('mount', ['--bind', kubelet, kubelet], { deadline: soon() });
    ends.push(() => run('umount', [kubelet], { deadline: soon() }));
    await run('mount', ['--make-shared', kubelet], { deadline: soon() });
    const machine: Machine = {
      ...{ api: behind, directory: scratch, node, nodeName: NODE, port: front.port },
      account: { token: 'pod', ca: account.cert },
    };
    workloads = new Workloads(machine, front);
    ends.push(() => workloads.stop());
    const layout = layoutOf(cluster().clusterDirectory);
    operator = new Operator({
      ...{ scratch, node, workloads, kubectl: kubectl!, kubeconfig: kubeconfig(front.port, account.cert) },
      ceph: { monitors: cluster().monitors, keyring: keyringOf(layout, 'client.admin') },
      podsNamed: (start) =>
        [...front.objects.values()].filter(({ kind, metadata }) => kind === 'Pod' && metadata.name.startsWith(start)),
    });
    await operator.start();
    ends.push(() => operator.stop());
  });

  afterAll(async () => {
    const ended: PromiseSettledResult<unknown>[] = [];
    for (const end of ends.toReversed()) ended.push(...(await Promise.allSettled([end()])));
    expect(ended.filter(({ status }) => status === 'rejected')).toEqual([]);
  });

  async function removeFromCeph(): Promise<void> {
    for (const role of ['controller', 'node'])
      await admin().ceph(['auth', 'rm', `client.${userOf(role)}`], soon(), { okCodes: [0, 2] });
    await admin().ceph(['config', 'set', 'mon', 'mon_allow_pool_delete', 'true'], soon());
    await admin().ceph(['osd', 'pool', 'rm', pool, pool, '--yes-i-really-really-mean-it'], soon());
  }

  async function follow(page: string, section: string, way?: Way): Promise<void> {
    const all = commandsOf(page).filter((one) => one.section === section);
    expect(all, section).not.toEqual([]);
    for (const { text } of all.filter((one) => way === undefined || isOf(way, one.text))) {
      const [, { codes = [0], says = /^/ } = {}] = ANSWERS.find(([begins]) => begins.test(text)) ?? [];
      const outcome = await (isOnNode(text) ? operator.typeOnNode(text) : operator.type(here(text)));
      expect(codes, told(text, outcome)).toContain(outcome.code);
      expect(outcome.stdout + outcome.stderr, told(text, outcome)).toMatch(says);
    }
  }

  const ours = (): readonly string[] =>
    [...front.objects.keys()].filter((one) => !/^(Node|CSINode) |^Namespace \/(kube-system|default)$/.test(one));

  /** The clusters file that the page tells to write. */
  const clusters = (keys: string): string =>
    stringify({
      clusters: [
        {
          ...{ id: 'main', monitors: cluster().monitors, pools: [{ name: pool }] },
          users: {
            controller: { id: userOf('controller'), keyFile: `${keys}/controller` },
            node: { id: userOf('node'), keyFile: `${keys}/node` },
          },
        },
      ],
    });

  const keyOf = async (role: string): Promise<string> =>
    (await admin().ceph(['auth', 'get-key', `client.${userOf(role)}`], soon())).trim();
  const edit = (file: string, change: (text: string) => string): Promise<void> => {
    const at = path.join('my-berth/site', file);
    operator.write(at, change(readFileSync(path.join(operator.directory, at), 'utf8')));
    return Promise.resolve();
  };

  it('makes a pool and two users', async () => {
    await follow('docs/install.md', '2. Two users in Ceph');
    await follow('docs/ceph-users.md', 'The cephx users');
    const made = await admin().ceph(['auth', 'get', `client.${userOf('controller')}`], soon());
    expect(made).toContain(`profile rbd pool=${pool}`);
    operator.write('clusters.yaml', clusters('/etc/berth/keys'));
  });

  it.each([
    ['helm', 'The same by Helm'],
    ['manifests', 'The same by `berth manifests`'],
  ] as const)('by %s: installs, upgrades, and takes away all of it', async (way, section) => {
    await follow('docs/install.md', section);
    expect(ours()).toContain('Deployment berth-system/berth-controller');
    expect(ours()).toContain('Secret berth-system/berth-node');
    await follow('docs/install.md', 'Upgrading', way);
    await follow('docs/install.md', 'Uninstalling', way);
    expect(ours()).toEqual([]);
  });

  it('tells what is missing before anything is there, from a machine with kubectl and on a node', async () => {
    writeFileSync(
      path.join(scratch, 'node/tmp/clusters.yaml'),
      clusters('/host/tmp').replace('/node\n', '/node.key\n'),
    );
    writeFileSync(path.join(scratch, 'node/tmp/node.key'), await keyOf('node'), { mode: 0o600 });
    await follow('docs/install.md', 'Before anything is created');
    behind.remove('/api/v1/namespaces/default/pods', operator.podsNamed('node-debugger-')[0]!.metadata.name);
    expect(ours()).toEqual([]);
  });

  it('by kustomize: is installed, and its drivers get ready by what the manifests say', async () => {
    await follow('docs/install.md', '3. Your site');
    await edit('kustomization.yaml', (text) => text.replace('newName: berth/berth', 'newName: registry.example/berth'));
    await edit('storageclass.yaml', (text) => here(text));
    await edit('clusters.yaml', (text) => {
      const [head = ''] = text.split('  clusters.yaml: |\n');
      return `${head}  clusters.yaml: |\n${clusters('/etc/berth/keys').replaceAll(/^/gm, '    ')}`;
    });
    for (const role of ['controller', 'node']) {
      const key = await keyOf(role);
      await edit('secrets.yaml', (text) =>
        text
          .replace(`userID: berth-${role}`, `userID: ${userOf(role)}`)
          .replace(new RegExp(`REPLACE.*berth-${role}`), key),
      );
    }
    workloads.runsDrivers = true;
    await follow('docs/install.md', '4. Apply and look');
  });

  it('makes, shows, grows and deletes a volume', async () => {
    await follow('docs/install.md', '5. A volume');
  });

  it('is upgraded, and uninstalled: nothing of Berth is left in the pool and in the API', async () => {
    await follow('docs/install.md', 'Upgrading', 'kustomize');
    await follow('docs/install.md', 'Uninstalling', 'kustomize');
    expect(ours()).toEqual([]);
    expect(readdirSync(path.join(scratch, 'node/var/lib'))).toEqual(['kubelet']);
    expect(await admin().rados(['-p', pool, 'ls'], soon())).not.toContain('berth');
    expect(await admin().ceph(['auth', 'ls'], soon())).not.toContain(`client.${pool}-`);
  });
});

const told = (text: string, { code, stdout, stderr }: Outcome): string =>
  `${text}\nended with ${code}:\n${stdout.slice(-2_000)}${stderr.slice(-2_000)}`;

function certificate(directory: string): { readonly key: string; readonly cert: string } {
  const subject = ['-subj', '/CN=kube', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const made = ['req', '-x509', ...key, '-keyout', 'api.key', '-out', 'api.crt', ...subject];
  execFileSync('openssl', made, { cwd: directory, stdio: 'ignore' });
  const read = (file: string): string => readFileSync(path.join(directory, file), 'utf8');
  return { key: read('api.key'), cert: read('api.crt') };
}

function kubeconfig(port: number, ca: string): string {
  const server = `https://127.0.0.1:${port}`;
  const data = Buffer.from(ca).toString('base64');
  return JSON.stringify({
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'x' },
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': data } }],
    users: [{ name: 'u', user: { token: 'person' } }],
  });
}
