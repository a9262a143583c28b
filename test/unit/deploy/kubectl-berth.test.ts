/** The plugin of kubectl, in a real POSIX shell beside a stand-in of kubectl that writes down what it was asked. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { COMMANDS } from '../../../src/cli/commands.js';
import { controller, object } from './objects.js';

const PLUGIN = path.resolve('deploy/krew/kubectl-berth');
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'berth-kubectl-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));
beforeEach(() => standIn({}));

interface Answers {
  /** The node plugin's. */
  readonly pod?: string;
  /** UIDs of all that run there; '' where they may not be listed. */
  readonly pods?: string;
  readonly code?: number;
}

/** What kubectl answers to `get pods`, and with what the command in the pod ends. */
function standIn({ pod = 'pod/berth-node-x7', pods = '', code = 0 }: Answers): void {
  writeFileSync(path.join(directory, 'asked'), '');
  const script = `#!/bin/sh
for one in "$@"; do printf '%s\\n' "$one"; done >> "${directory}/asked"
printf 'KUBECONFIG=%s\\n\\n' "\${KUBECONFIG-}" >> "${directory}/asked"
for one in "$@"; do
  if [ "$one" = --all-namespaces ]; then echo '${pods}'; exit ${pods === '' ? 1 : 0}; fi
done
for one in "$@"; do
  if [ "$one" = get ]; then echo '${pod}'; exit 0; fi
done
exit ${code}
`;
  writeFileSync(path.join(directory, 'kubectl'), script, { mode: 0o755 });
}

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Each call of kubectl, as its words. */
  readonly asked: readonly (readonly string[])[];
}

function plugin(...args: readonly string[]): Ran {
  const env = { PATH: `${directory}:${process.env['PATH'] ?? ''}` };
  const { status, stdout, stderr } = spawnSync('sh', [PLUGIN, ...args], { encoding: 'utf8', env });
  const calls = readFileSync(path.join(directory, 'asked'), 'utf8').split('\n\n').slice(0, -1);
  return { code: status, stdout, stderr, asked: calls.map((one) => one.split('\n')) };
}
const exec = (at: string, ...words: readonly string[]): readonly string[] => [
  ...['--namespace', 'berth-system', 'exec', at, '--container', 'berth', '--', 'berth', ...words, 'KUBECONFIG='],
];

describe('kubectl berth', () => {
  it('runs in the controller’s pod, as the controller', () => {
    const { asked, code } = plugin('trace', 'shop/data', '-o', 'json');
    expect(code).toBe(0);
    const words = ['trace', 'shop/data', '-o', 'json', '--services', 'controller'];
    expect(asked).toEqual([exec('deploy/berth-controller', ...words)]);
  });

  it('doctor --node: says which pods Kubernetes has there, where who asks may list them', () => {
    standIn({ pods: '1111-2,,3333-4,' });
    const { asked } = plugin('doctor', '--node', 'worker-7');
    expect(asked[1]).toEqual(expect.arrayContaining(['--all-namespaces', 'spec.nodeName=worker-7']));
    const words = ['doctor', '--services', 'node', '--mounter', 'krbd', '--pods', '1111-2,,3333-4,'];
    expect(asked.at(-1)).toEqual(exec('pod/berth-node-x7', ...words));
    standIn({});
    expect(plugin('doctor', '--node', 'worker-7').asked.at(-1)).not.toContain('--pods');
  });

  it('trace -: gives the command what is piped to it', () => {
    const { asked } = plugin('trace', '-');
    const [words] = asked;
    expect(words).toContain('-i');
    expect(words?.filter((word) => word !== '-i')).toEqual(
      exec('deploy/berth-controller', 'trace', '-', '--services', 'controller'),
    );
  });

  it('with --node, anywhere: runs in the pod of that node, as a node, with the mapper of the manifest', () => {
    const { asked } = plugin('doctor', '--node', 'worker 7', '--json');
    const find = ['--selector', 'app.kubernetes.io/name=berth,app.kubernetes.io/component=node'];
    const where = ['--field-selector', 'spec.nodeName=worker 7', '--output', 'name'];
    expect(asked[0]).toEqual(['--namespace', 'berth-system', 'get', 'pods', ...find, ...where, 'KUBECONFIG=']);
    const words = ['doctor', '--json', '--services', 'node', '--mounter', 'krbd'];
    expect(asked.at(-1)).toEqual(exec('pod/berth-node-x7', ...words));
    expect(plugin('--node=w', 'doctor', '--mounter=nbd', '--services', 'node').asked.at(-1)).toEqual(
      exec('pod/berth-node-x7', 'doctor', '--mounter=nbd', '--services', 'node'),
    );
  });

  it('gives kubectl its own options, and each word of the command as it is', () => {
    const { asked } = plugin('-n', 'x y', 'explain', 'a  b$(id)', '--context', 'c d', '--kubeconfig=/k e');
    expect(asked).toEqual([
      [
        ...['--context=c d', '--namespace', 'x y', 'exec', 'deploy/berth-controller', '--container', 'berth', '--'],
        ...['berth', 'explain', 'a  b$(id)', 'KUBECONFIG=/k e'],
      ],
    ]);
  });

  it.each([1, 2])('ends with %s as the command in the pod does', (code) => {
    standIn({ code });
    expect(plugin('attachments').code).toBe(code);
  });

  it.each([
    [['unstage', 'c/p/i'], /unstage is done by a node/],
    [['trace', '/dev/rbd0'], /\/dev\/rbd0 is a device of one node/],
    [['trase', 'x'], /there is no command trase/],
    [['trace', 'x', '--node'], /--node needs a value/],
    [['trace', 'x', '--node='], /--node needs a value/],
  ])('%j is refused before anybody is asked', (args, says) => {
    const { code, stderr, asked } = plugin(...args);
    expect(code).toBe(1);
    expect(stderr).toMatch(says);
    expect(asked).toEqual([]);
  });

  it('says so where no plugin runs on the node', () => {
    standIn({ pod: '' });
    const { code, stderr } = plugin('volumes', '--node', 'w');
    expect(code).toBe(1);
    expect(stderr).toBe('kubectl berth: no pod of berth-node runs on w in namespace berth-system\n');
  });

  it('without a command shows its help, which names every command that a person runs', () => {
    const { stdout, code } = plugin();
    expect(code).toBe(0);
    const here = ['completion', 'manifests'];
    for (const { name = '' } of COMMANDS.filter((one) => !here.includes(one.name ?? '')))
      expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect(plugin('help').stdout).toBe(stdout);
  });
});

describe('deploy', () => {
  it('has the names that the plugin looks for', () => {
    expect(object('Deployment', 'berth-controller').metadata.name).toBe('berth-controller');
    expect(controller.containers.map(({ name }) => name)).toContain('berth');
    const script = readFileSync(PLUGIN, 'utf8');
    const manifest = parse(readFileSync('deploy/krew/berth.yaml', 'utf8')) as {
      readonly metadata: { readonly name: string };
      readonly spec: { readonly version: string; readonly platforms: readonly { readonly bin: string }[] };
    };
    expect(manifest.metadata.name).toBe('berth');
    expect(manifest.spec.platforms.map(({ bin }) => bin)).toEqual(['kubectl-berth']);
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string };
    expect(manifest.spec.version).toBe(`v${version}`);
    expect(script).toContain('namespace=${BERTH_NAMESPACE:-berth-system}');
  });
});
