/** The command line: defaults, environment, and a refusal that names the option for everything else. */
import { describe, expect, it } from 'vitest';
import { readFile } from 'node:fs/promises';
import { parseCommandLine } from '../../../src/cli/command-line.js';
import { OPTIONS, type Environment, type Options } from '../../../src/options/options.js';

const parse = (args: readonly string[], env: Environment = {}): Options => {
  const request = parseCommandLine(args, env);
  if (request.kind !== 'serve') throw new Error(request.kind);
  return request.options;
};
const node = ['--node-id', 'n1'];

describe('options', () => {
  it('have defaults for all but the node', () => {
    expect(parse(node)).toEqual({
      ...{ endpoint: 'unix:///csi/csi.sock', clusters: '/etc/berth/clusters.yaml', nodeId: 'n1' },
      ...{ stateDirectory: '/var/lib/berth', services: ['identity', 'controller', 'node'], mounter: 'auto' },
      ...{ maxVolumes: undefined, logLevel: 'info' },
      ...{ kubeletDirectory: '/var/lib/kubelet', reconcileInterval: 300, leftoverAge: 600 },
      ...{ fencing: 'out-of-service', nodeLostAfter: 300, workGrace: 300, volumeUsers: false, purges: 4 },
      ...{ flexvolumeEndpoint: undefined, keyringDirectory: '/etc/berth/keyrings' },
      ...{ kataRecords: '/run/kata-containers/shared/direct-volumes', kataHandlers: ['kata', 'kata-*'] },
      kubernetes: 'auto',
    });
  });

  it('are read from the command line', () => {
    const args = [
      ...['--endpoint', 'unix:///e', '--clusters', '/c', '--node-id=n', '--state-dir', '/s', '--services', 'node'],
      ...['--mounter', 'krbd', '--max-volumes-per-node', '12', '--log-level', 'debug'],
      ...['--kubelet-dir', '/k', '--reconcile-interval', '0', '--leftover-age', '7'],
      ...['--fencing', 'node-lost', '--node-lost-after', '60', '--work-grace', '900'],
      ...['--flexvolume-endpoint', 'unix:///f', '--keyring-dir', '/r'],
      ...['--kata-records', '/r', '--kata-handlers', 'rund, kata-qemu,', '--kubernetes', '/kubeconfig'],
    ];
    expect(parse(args)).toEqual({
      ...{ endpoint: 'unix:///e', clusters: '/c', nodeId: 'n', stateDirectory: '/s', services: ['identity', 'node'] },
      ...{ mounter: 'krbd', maxVolumes: 12, logLevel: 'debug' },
      ...{ kubeletDirectory: '/k', reconcileInterval: 0, leftoverAge: 7 },
      ...{ fencing: 'node-lost', nodeLostAfter: 60, workGrace: 900, volumeUsers: false, purges: 4 },
      ...{ flexvolumeEndpoint: 'unix:///f', keyringDirectory: '/r' },
      ...{ kataRecords: '/r', kataHandlers: ['rund', 'kata-qemu'], kubernetes: '/kubeconfig' },
    });
  });

  it('are read from the environment, the command line first', () => {
    const env = {
      ...{ CSI_ENDPOINT: 'unix:///env', BERTH_CLUSTERS: '/env/c', NODE_ID: 'env', BERTH_STATE_DIR: '/env/s' },
      ...{ BERTH_SERVICES: 'identity, controller', BERTH_KUBELET_DIR: '/env/k' },
      ...{ BERTH_RECONCILE_INTERVAL: '3', BERTH_LEFTOVER_AGE: '4' },
      ...{ BERTH_FENCING: 'never', BERTH_NODE_LOST_AFTER: '5' },
    };
    const paths = {
      stateDirectory: '/env/s',
      kubeletDirectory: '/env/k',
      reconcileInterval: 3,
      leftoverAge: 4,
      fencing: 'never',
      nodeLostAfter: 5,
    };
    const all = { endpoint: 'unix:///env', clusters: '/env/c', nodeId: 'env', ...paths };
    expect(parse([], env)).toMatchObject({ ...all, services: ['identity', 'controller'] });
    expect(parse(['--node-id', 'arg', '--services', 'node'], env)).toMatchObject({
      ...{ ...all, nodeId: 'arg' },
      services: ['identity', 'node'],
    });
  });

  it('always serve identity, and each service once', () => {
    expect(parse(['--services', 'controller,controller']).services).toEqual(['identity', 'controller']);
  });

  it('need no node where the node is not served', () => {
    expect(parse(['--services', 'controller']).nodeId).toBe('');
  });

  it('take a node id of 256 bytes, which is what CSI allows', () => {
    expect(parse(['--node-id', 'n'.repeat(256)]).nodeId).toHaveLength(256);
  });

  it.each<[string, readonly string[]]>([
    ['node-id', []],
    ['node-id', ['--node-id', '']],
    ['node-id', ['--node-id', 'n'.repeat(257)]],
    ['node-id', ['--node-id', 'é'.repeat(129)]],
    ['services', [...node, '--services', '']],
    ['services', [...node, '--services', 'group']],
    ['services', [...node, '--services', 'node;controller']],
    ['services', [...node, '--services', 'Node']],
    ['state-dir', [...node, '--state-dir', 'state']],
    ['state-dir', [...node, '--state-dir', '']],
    ['mounter', [...node, '--mounter', 'rbd-nbd']],
    ['mounter', [...node, '--mounter', '']],
    ['log-level', [...node, '--log-level', 'verbose']],
    ['log-level', [...node, '--log-level', 'INFO']],
    ...['0', '-1', '1.5', 'many', '', 'NaN', 'Infinity'].map((count): [string, readonly string[]] => [
      'max-volumes-per-node',
      [...node, `--max-volumes-per-node=${count}`],
    ]),
    ['kubelet-dir', [...node, '--kubelet-dir', 'kubelet']],
    ['reconcile-interval', [...node, '--reconcile-interval', '']],
    ['reconcile-interval', [...node, '--reconcile-interval=-1']],
    ['leftover-age', [...node, '--leftover-age', '0']],
  ])('refuse --%s in %j', (option, args) => {
    expect(() => parse(args)).toThrow(`BERTH_USAGE: --${option}: `);
  });

  it('refuse a bad environment just the same, by the name of the variable', () => {
    expect(() => parse(node, { BERTH_SERVICES: 'nodes' })).toThrow(/^BERTH_USAGE: BERTH_SERVICES \(--services\): /);
    expect(() => parse(node, { BERTH_STATE_DIR: 'var' })).toThrow(/--state-dir/);
    expect(() => parse([], { NODE_ID: 'n'.repeat(300) })).toThrow(/--node-id/);
  });

  it('have an environment variable each, and the flag goes first', () => {
    const env = { BERTH_MOUNTER: 'nbd', BERTH_MAX_VOLUMES_PER_NODE: '7', BERTH_LOG_LEVEL: 'debug' };
    expect(parse(node, env)).toMatchObject({ mounter: 'nbd', maxVolumes: 7, logLevel: 'debug' });
    expect(parse([...node, '--mounter', 'krbd'], env)).toMatchObject({ mounter: 'krbd', maxVolumes: 7 });
    const variables = Object.values(OPTIONS).map(({ variable }) => variable);
    expect(new Set(variables).size).toBe(variables.length);
  });

  it('are those of docs/parameters.md, with variable, default and help', async () => {
    const page = await readFile(new URL('../../../docs/parameters.md', import.meta.url), 'utf8');
    const rows = Object.values(OPTIONS).map(({ flag, variable, fallback = '', value, help }) => {
      const shown = fallback === '' ? 'none' : `\`${fallback}\``;
      return `| \`--${flag} ${value.replaceAll('|', '\\|')}\` | \`${variable}\` | ${shown} | ${help} |`;
    });
    const [, table = ''] = page.split('| option | variable | default | meaning |\n|---|---|---|---|\n');
    expect(table.split('\n\n')[0]!.trimEnd().split('\n')).toEqual(rows);
  });
});
