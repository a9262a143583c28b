/** Every command from its words to a request; what is refused, what is said of it, and what comes nearest. */
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { parseCommandLine, type Request } from '../../../src/cli/command-line.js';
import { COMMANDS, DRIVER_COMMAND, optionsOf } from '../../../src/cli/commands.js';
import { packageVersion } from '../../../src/model/package-root.js';

const parse = (...args: readonly string[]): Request => parseCommandLine(args, {});
const text = (...args: readonly string[]): string => {
  const request = parse(...args);
  return request.kind === 'print' ? request.text : request.kind;
};
const node = ['--node-id', 'n1'];

describe('the driver', () => {
  it('is what runs without a command', () => {
    expect(parse(...node, '--services=node')).toMatchObject({
      kind: 'serve',
      options: { nodeId: 'n1', services: ['identity', 'node'] },
    });
    expect(parseCommandLine([], { NODE_ID: 'env' })).toMatchObject({ kind: 'serve', options: { nodeId: 'env' } });
  });

  it('takes the last of an option that is given twice', () => {
    expect(parse(...node, '--mounter', 'krbd', '--mounter', 'nbd')).toMatchObject({ options: { mounter: 'nbd' } });
  });
});

describe('doctor', () => {
  it('shares all options with the driver, and stands for the machine that it runs on', () => {
    expect(parse('doctor', '--clusters', '/c', '--json')).toMatchObject({
      ...{ kind: 'doctor', view: { output: 'json' }, options: { clusters: '/c', nodeId: hostname() } },
    });
    expect(parse('doctor')).toMatchObject({ kind: 'doctor', view: { output: 'table', everyMs: undefined } });
    expect(parse('--node-id', 'doctor')).toMatchObject({ kind: 'serve', options: { nodeId: 'doctor' } });
  });
});

describe('trace', () => {
  it('takes a volume, and options before and after it', () => {
    const wanted = { kind: 'trace', subject: 'a/b', options: { kubernetes: '/k' } };
    expect(parse('trace', 'a/b', '--kubernetes', '/k')).toMatchObject(wanted);
    expect(parse('trace', '--kubernetes', '/k', 'a/b')).toMatchObject(wanted);
  });
});

describe('what only looks', () => {
  it('takes a form of output by a long or a short name, and looks again if asked', () => {
    expect(parse('volumes', '-o', 'wide')).toMatchObject({ kind: 'volumes', view: { output: 'wide' } });
    expect(parse('trace', 'a/b', '--output=yaml')).toMatchObject({ subject: 'a/b', view: { output: 'yaml' } });
    expect(parse('garbage', '--watch')).toMatchObject({ yes: false, view: { output: 'table', everyMs: 5_000 } });
    expect(parse('attachments', '-o', 'json')).toMatchObject({ release: undefined, view: { output: 'json' } });
  });

  it('explains a code with or without its first word, and a reason', () => {
    expect(text('explain', 'VOLUME_HELD')).toBe(text('explain', 'berth_volume_held'));
    expect(text('explain', 'BERTH_VOLUME_HELD')).toMatch(
      /^code {4}BERTH_VOLUME_HELD\nmeans .*\ndo {6}detach it there first\n/,
    );
    expect(text('explain', 'nodegone')).toMatch(/^reason {2}NodeGone\nlink {4}node\n/);
  });
});

describe('attachments', () => {
  it('lists, or releases one', () => {
    expect(parse('attachments', '--services=node')).toMatchObject({ kind: 'attachments', release: undefined });
    const args = ['attachments', '--services=node', '--release', 'va', '--yes', '--volume=c/p/i'];
    const release = { name: 'va', finalizer: undefined, volume: 'c/p/i', yes: true };
    expect(parse(...args)).toMatchObject({ release, options: { services: ['identity', 'node'] } });
    const holder = ['attachments', '--holder', 'n1', '--volume', 'c/p/i'];
    expect(parse(...holder)).toMatchObject({ release: undefined, holder: { node: 'n1', volume: 'c/p/i', yes: false } });
    expect(parse(...holder, '--yes')).toMatchObject({ holder: { yes: true } });
  });
});

describe('adopt', () => {
  it('takes an image with or without a namespace, and the clusters file of the environment', () => {
    expect(parseCommandLine(['adopt', 'rbd/ns/v', '--fs-type', 'xfs'], { BERTH_CLUSTERS: '/c' })).toEqual({
      kind: 'adopt',
      adopt: {
        ...{ clusters: '/c', name: undefined, fsType: 'xfs', claim: undefined, accessMode: 'ReadWriteOnce' },
        image: { cluster: undefined, monitors: [], pool: 'rbd', namespace: 'ns', image: 'v' },
      },
    });
    expect(parse('adopt', 'rbd/v', '--claim', 'ns/c')).toMatchObject({
      adopt: { image: { pool: 'rbd', namespace: '', image: 'v' }, claim: 'ns/c', clusters: '/etc/berth/clusters.yaml' },
    });
  });
});

describe('help', () => {
  it.each(COMMANDS)('of $name names its arguments, options and exit codes', (entry) => {
    const { name = '', argument, exits } = entry;
    const help = text(name, '--help');
    expect(help).toBe(text('help', name));
    expect(help).toContain(`Usage: berth ${name}`);
    for (const { flag } of optionsOf(entry)) expect(help).toContain(`--${flag}`);
    if (argument !== undefined) expect(help).toContain(argument.name);
    expect(help).toContain(`0  ${exits.well}`);
  });

  it('of the program names every command and every option of the driver, whatever else is wrong', () => {
    const help = text('--help');
    for (const { flag } of optionsOf(DRIVER_COMMAND)) expect(help).toContain(`--${flag}`);
    for (const { name, does } of COMMANDS) {
      expect(help).toContain(name);
      expect(help.replaceAll(/\s+/g, ' ')).toContain(does);
    }
    expect(text('help')).toBe(help);
    expect(text('--help', '--services', 'nonsense')).toBe(help);
  });

  it('is not needed for the version', () => {
    expect(text('--version')).toBe(`${packageVersion()}\n`);
    expect(text('doctor', '--version')).toBe(`${packageVersion()}\n`);
  });
});

describe('a command line that is wrong', () => {
  it.each<[string, readonly string[], string]>([
    [
      'names the nearest option',
      [...node, '--endpont', 'x'],
      "berth: unknown option '--endpont' (Did you mean --endpoint?)",
    ],
    [
      'names the nearest option of a command',
      ['doctor', '--clutsers', '/x'],
      "'--clutsers' (Did you mean --clusters?)",
    ],
    ['names the nearest command', ['docter'], "berth: unknown command 'docter' (Did you mean doctor?)"],
    ['names the nearest command for help', ['help', 'trase'], "unknown command 'trase' (Did you mean trace?)"],
    ['says which argument is missing', ['trace'], "berth trace: missing required argument 'WHAT'"],
    ['says which value is missing', [...node, '--endpoint'], 'argument missing'],
    ['does not take an option for a value', ['attachments', '--release', '--yes'], '--release: its value is missing'],
    ['does not take an empty value', ['attachments', '--release='], '--release: its value is missing'],
    ['asks whose record a holder is to go from', ['attachments', '--holder', 'n'], '--volume: it is missing'],
    [
      'takes a holder or an attachment, not both',
      ['attachments', '--holder', 'n', '--volume', 'c/p/i', '--release', 'va'],
      '--holder: it is for what no VolumeAttachment asks for',
    ],
    ['lists the forms of output', ['volumes', '-o', 'xml'], '--output: "xml" is none of table, wide, json, yaml'],
    ['takes one form of output', ['doctor', '--json', '-o', 'yaml'], '--json: it is -o json'],
    ['names the nearest code', ['explain', 'POOL_NOT_FOND'], 'Did you mean BERTH_POOL_NOT_OURS or'],
    ['says what a flag without its option lacks', ['attachments', '--yes'], '--release: it is missing'],
    ['takes no option of another command', ['trace', 'a/b', '--json'], "unknown option '--json'"],
    ['takes one argument', ['trace', 'a/b', 'c/d'], 'too many arguments'],
    ['takes the command first', ['--clusters', '/c', 'doctor'], 'doctor: a command stands first'],
    ['takes no short options', ['-v'], "unknown option '-v'"],
    ['takes no value for a flag', [...node, '--help=yes'], "unknown option '--help=yes'"],
    ['lists the shells', ['completion', 'fish'], 'Allowed choices are bash, zsh'],
    ['wants one image', ['adopt', 'image'], 'image: one image is needed'],
    [
      'lists the access modes',
      ['adopt', 'p/i', '--access-mode', 'RWX'],
      '--access-mode: "RWX" is none of ReadWriteOnce',
    ],
    ['lists the filesystems', ['adopt', 'p/i', '--fs-type', 'btrfs'], '--fs-type: "btrfs" is none of'],
    ['wants a whole claim', ['adopt', 'p/i', '--claim', 'data'], '--claim: "data" is not NAMESPACE/NAME'],
  ])('%s', (_, args, says) => {
    expect(() => parse(...args)).toThrow(/^BERTH_USAGE: .*; see berth( \w+)? --help$/);
    expect(() => parse(...args)).toThrow(says);
  });
});

describe('docs/operations.md', () => {
  it('has the table of commands with their exit codes', async () => {
    const page = await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
    const rows = [DRIVER_COMMAND, ...COMMANDS].map(({ name, argument, does, exits }) => {
      const words = ['berth', name ?? [], argument === undefined ? [] : argument.name].flat().join(' ');
      return `| \`${words}\` | ${does} | ${exits.well} | ${exits.failed} | ${exits.attention ?? ''} |`;
    });
    const [, table = ''] = page.split('| command | what it does | 0 | 1 | 2 |\n|---|---|---|---|---|\n');
    expect(table.split('\n\n')[0]!.split('\n')).toEqual(rows);
  });
});
