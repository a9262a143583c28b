/** What `berth completion` prints: a shell function made of the table of commands; files where nothing else fits. */
import { COMMANDS, DRIVER_COMMAND, optionsOf, type CommandEntry, type CommandOption } from './commands.js';

/** zsh runs bash's functions by a module of its own. */
const ZSH_HEAD = 'autoload -U +X bashcompinit && bashcompinit\n';

/** @param shell one of SHELLS */
export const completionScript = (shell: string): string => `${shell === 'zsh' ? ZSH_HEAD : ''}${bashFunction()}`;

function bashFunction(): string {
  const names = COMMANDS.map(({ name }) => name ?? '');
  const words = [...names, 'help', ...flagsOf(DRIVER_COMMAND), '--help', '--version'];
  const cases = COMMANDS.map((entry) => `    ${entry.name ?? ''}) words="${wordsOf(entry)}" ;;`);
  return `_berth() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
    help) words="${names.join(' ')}" ;;
    -*) words="${[...flagsOf(DRIVER_COMMAND), '--help', '--version'].join(' ')}" ;;
    *) words="${words.join(' ')}" ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words="${words.join(' ')}"; fi
  case "$previous" in
${valueCases().join('\n')}
  esac
  COMPREPLY=( $(compgen -W "$words" -- "$current") )
}
complete -o default -F _berth berth
`;
}

const flagsOf = (entry: CommandEntry): readonly string[] =>
  optionsOf(entry).flatMap(({ flag, short }) => (short === undefined ? [`--${flag}`] : [`--${flag}`, `-${short}`]));

const wordsOf = (entry: CommandEntry): string =>
  [...(entry.argument?.choices ?? []), ...flagsOf(entry), '--help'].join(' ');

/** After an option with a value: its choices, or nothing, so that files are offered. It means the same everywhere. */
function valueCases(): readonly string[] {
  const choices = new Map<string, string>();
  for (const entry of [DRIVER_COMMAND, ...COMMANDS])
    for (const one of optionsOf(entry))
      if (one.value !== undefined) choices.set(namesOf(one), one.choices?.join(' ') ?? '');
  return [...choices].map(([names, words]) => `    ${names}) words="${words}" ;;`);
}

/** As a pattern of the shell: `--output|-o`. */
const namesOf = ({ flag, short }: CommandOption): string => (short === undefined ? `--${flag}` : `--${flag}|-${short}`);
