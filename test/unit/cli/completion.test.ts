/** What a shell offers after `berth`: by the script that `berth completion` prints, in a real bash. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { completionScript } from '../../../src/cli/completion.js';

/** What is offered for the last of these words. */
function offered(...words: readonly string[]): string[] {
  const script = `${completionScript('bash')}
COMP_WORDS=(berth "$@"); COMP_CWORD=$#; _berth; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const answer = execFileSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' });
  return answer.split('\n').filter((one) => one !== '');
}

describe('in bash', () => {
  it('commands come first, or the options of the driver', () => {
    expect(offered('')).toEqual(expect.arrayContaining(['doctor', 'trace', 'adopt', 'attachments', 'help', '--help']));
    expect(offered('do')).toEqual(['doctor']);
    expect(offered('--end')).toEqual(['--endpoint']);
  });

  it('a command has its own options and those that it shares with the driver', () => {
    expect(offered('doctor', '--j')).toEqual(['--json']);
    expect(offered('volumes', '--wa')).toEqual(['--watch']);
    expect(offered('exp')).toEqual(['explain']);
    expect(offered('trace', '--kub')).toEqual(['--kubelet-dir', '--kubernetes']);
    expect(offered('adopt', '--kub')).toEqual([]);
    expect(offered('help', 'tr')).toEqual(['trace']);
    expect(offered('completion', '')).toEqual(expect.arrayContaining(['bash', 'zsh']));
  });

  it('an option has its values; where they cannot be listed nothing, so that files are offered', () => {
    expect(offered('--mounter', 'k')).toEqual(['krbd']);
    expect(offered('volumes', '-o', '')).toEqual(['table', 'wide', 'json', 'yaml']);
    expect(offered('trace', '--output', 'y')).toEqual(['yaml']);
    expect(offered('doctor', '--fencing', '')).toEqual(['never', 'out-of-service', 'node-lost']);
    expect(offered('doctor', '--clusters', '')).toEqual([]);
  });
});

it('zsh runs the same function by its own module for those of bash', () => {
  expect(completionScript('zsh')).toBe(`autoload -U +X bashcompinit && bashcompinit\n${completionScript('bash')}`);
});
