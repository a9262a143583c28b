/** A command line becomes one typed request, or an error that says what is wrong with it and what comes nearest. */
import { hostname } from 'node:os';
import { Argument, Command, CommanderError, Option } from 'commander';
import type { GivenSettings } from '../manifests/read-settings.js';
import { packageVersion } from '../model/package-root.js';
import { readOptions, type Environment, type Given, type Options } from '../options/options.js';
import { usageError } from '../options/usage-error.js';
import { COMMANDS, DRIVER_COMMAND, optionsOf, type CommandEntry, type CommandOption } from './commands.js';
import { completionScript } from './completion.js';
import { explain } from './output/explain.js';
import type { ShowSettings } from './output/show.js';
import { readAdopt, type AdoptArguments } from './read-adopt.js';
import { readView } from './read-view.js';
import { readUndelete, type UndeleteArguments } from './read-undelete.js';

/** Of the help, in columns: a terminal narrower than this wraps by itself. */
const WIDTH = 120;

/** What `berth attachments --release` is asked for. */
export interface ReleaseArguments {
  readonly name: string;
  /** Undefined for csi-attacher's own. */
  readonly finalizer: string | undefined;
  /** The handle, where the PersistentVolume that named it is gone. */
  readonly volume: string | undefined;
  /** Without it the proof is shown and nothing is changed. */
  readonly yes: boolean;
}

/** What `berth attachments --holder` is asked for. */
export interface HolderArguments {
  readonly node: string;
  readonly volume: string;
  /** Without it the proof is shown and nothing is changed. */
  readonly yes: boolean;
}

export type Request =
  | { readonly kind: 'serve'; readonly options: Options }
  | {
      readonly kind: 'doctor';
      readonly view: ShowSettings;
      /** Before anything is created. */
      readonly install: boolean;
      /** UIDs of the pods that Kubernetes has on this node; undefined where nobody said. */
      readonly pods: ReadonlySet<string> | undefined;
      readonly options: Options;
    }
  | { readonly kind: 'adopt'; readonly adopt: AdoptArguments }
  | { readonly kind: 'trace'; readonly subject: string; readonly view: ShowSettings; readonly options: Options }
  | { readonly kind: 'volumes'; readonly view: ShowSettings; readonly options: Options }
  | {
      readonly kind: 'attachments';
      readonly release: ReleaseArguments | undefined;
      readonly holder: HolderArguments | undefined;
      readonly view: ShowSettings;
      readonly options: Options;
    }
  | { readonly kind: 'undelete'; readonly undelete: UndeleteArguments | undefined; readonly options: Options }
  | { readonly kind: 'garbage'; readonly yes: boolean; readonly view: ShowSettings; readonly options: Options }
  | { readonly kind: 'unstage'; readonly volume: string; readonly options: Options }
  /** `files` are still the names of files. */
  | { readonly kind: 'manifests'; readonly given: GivenSettings }
  /** Help, version or completion: to be printed as it is. */
  | { readonly kind: 'print'; readonly text: string };

/** What was given to one command: values by flag, and the flags without a value. */
interface Parsed {
  readonly entry: CommandEntry;
  readonly argument: string;
  readonly values: Given;
  /** Of options that may be given several times. */
  readonly lists: Readonly<Record<string, readonly string[]>>;
  readonly flags: ReadonlySet<string>;
}

/** BERTH_USAGE for whatever cannot be understood; nothing has started then. */
export function parseCommandLine(args: readonly string[], env: Environment): Request {
  const parsed = parse(args);
  if (typeof parsed === 'string') return { kind: 'print', text: parsed };
  if (parsed.flags.has('version')) return { kind: 'print', text: `${packageVersion()}\n` };
  return requestOf(parsed, env);
}

function requestOf({ entry: { name }, argument, values, lists, flags }: Parsed, env: Environment): Request {
  // A person at a terminal has no node to speak for, and registers none.
  const here = { NODE_ID: hostname(), ...env };
  switch (name) {
    case 'doctor':
      return {
        kind: 'doctor',
        view: readView(name, values, flags),
        install: flags.has('install'),
        pods: readPods(values['pods']),
        options: readOptions(values, here),
      };
    case 'adopt':
      return { kind: 'adopt', adopt: readAdopt(argument, values, env) };
    case 'trace':
      return {
        ...{ kind: 'trace', subject: argument, view: readView(name, values, flags) },
        options: readOptions(values, here),
      };
    case 'volumes':
      return { kind: 'volumes', view: readView(name, values, flags), options: readOptions(values, here) };
    case 'explain':
      return { kind: 'print', text: explain(argument) };
    case 'undelete':
      return { kind: 'undelete', undelete: readUndelete(values), options: readOptions(values, here) };
    case 'garbage':
      return {
        ...{ kind: 'garbage', yes: flags.has('yes'), view: readView(name, values, flags) },
        options: readOptions(values, here),
      };
    case 'unstage':
      return { kind: 'unstage', volume: argument, options: readOptions(values, here) };
    case 'attachments':
      return attachmentsOf(values, flags, readOptions(values, here));
    case 'manifests':
      return { kind: 'manifests', given: { set: lists['set'] ?? [], files: lists['set-file'] ?? [] } };
    case 'completion':
      return { kind: 'print', text: completionScript(argument) };
    default:
      return { kind: 'serve', options: readOptions(values, env) };
  }
}

/** BERTH_USAGE for what is no UID of a pod; those of static pods have no hyphens. */
function readPods(text: string | undefined): ReadonlySet<string> | undefined {
  if (text === undefined) return undefined;
  const pods = text.split(',').filter((one) => one !== '');
  const wrong = pods.find((one) => !/^[0-9a-f-]{32,36}$/.test(one));
  if (wrong !== undefined) throw usageError('--pods', `"${wrong}" is no UID of a pod`, 'berth doctor --help');
  return new Set(pods);
}

function attachmentsOf(values: Given, flags: ReadonlySet<string>, options: Options): Request {
  const { holder: node, volume, release, finalizer } = values;
  const view = readView('attachments', values, flags);
  if (node === undefined)
    return { kind: 'attachments', release: releaseOf(values, flags), holder: undefined, view, options };
  const help = 'berth attachments --help';
  if (release !== undefined || finalizer !== undefined)
    throw usageError('--holder', 'it is for what no VolumeAttachment asks for, so --release is another thing', help);
  if (volume === undefined) throw usageError('--volume', 'it is missing: which volume’s record?', help);
  return { kind: 'attachments', release: undefined, holder: { node, volume, yes: flags.has('yes') }, view, options };
}

function releaseOf(values: Given, flags: ReadonlySet<string>): ReleaseArguments | undefined {
  const { release: name, finalizer, volume } = values;
  const yes = flags.has('yes');
  if (name !== undefined) return { name, finalizer, volume, yes };
  if (finalizer === undefined && volume === undefined && !yes) return undefined;
  throw usageError('--release', 'it is missing: which VolumeAttachment?', 'berth attachments --help');
}

/** A string is help that was asked for. */
function parse(args: readonly string[]): Parsed | string {
  let help = '';
  let parsed: Parsed | undefined;
  const program = programOf(
    // Without a word in front it is the driver; with one, a word that is no command is told what comes nearest.
    args[0] === undefined || args[0].startsWith('-'),
    (found) => (parsed = found),
    (text) => (help += text),
  );
  try {
    program.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return help;
    // `help` for a word that is no command: the word itself is what is wrong.
    if (error.code === 'commander.help') return parse(args.slice(1));
    throw usageError(whereOf(args), textOf(error), helpFor(args));
  }
  if (parsed === undefined) return help;
  checkValues(parsed, args);
  return parsed;
}

function programOf(isDriver: boolean, done: (parsed: Parsed) => void, print: (text: string) => void): Command {
  const program = new Command('berth')
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({ writeOut: print, writeErr: () => undefined, getOutHelpWidth: () => WIDTH })
    .helpCommand('help [COMMAND]', 'shows the help of a command')
    .usage('[options] | COMMAND');
  describe(program, DRIVER_COMMAND);
  if (isDriver) act(program, DRIVER_COMMAND, done);
  for (const entry of COMMANDS) {
    const command = program.command(entry.name ?? '');
    describe(command, entry);
    act(command, entry, done);
  }
  return program;
}

function describe(command: Command, entry: CommandEntry): void {
  const { does, more, argument, exits } = entry;
  command.description(`${does}\n\n${more}`).summary(does).helpOption('--help', 'shows this');
  if (argument !== undefined) {
    const { name, choices, help } = argument;
    const made = new Argument(`<${name}>`, help);
    command.addArgument(choices === undefined ? made : made.choices(choices));
  }
  for (const one of optionsOf(entry)) command.addOption(optionOf(one));
  const version = new Option('--version', 'shows the version');
  command.addOption(entry === DRIVER_COMMAND ? version : version.hideHelp());
  const codes = Object.values(exits).map((when, code) => `  ${code}  ${when}`);
  command.addHelpText('after', `\nExit codes:\n${codes.join('\n')}`);
}

function optionOf({ flag, short, value, repeats, help }: CommandOption): Option {
  const names = short === undefined ? `--${flag}` : `-${short}, --${flag}`;
  const option = new Option(value === undefined ? names : `${names} <${value}>`, help);
  return repeats === true
    ? option.argParser((one: string, before?: readonly string[]) => [...(before ?? []), one])
    : option;
}

function act(command: Command, entry: CommandEntry, done: (parsed: Parsed) => void): void {
  command.action(() => {
    const { parent } = command;
    if (parent !== null && Object.keys(parent.opts()).length > 0)
      throw usageError(
        command.name(),
        'a command stands first, its options after it',
        `berth ${command.name()} --help`,
      );
    const flagOf = (key: string): string =>
      command.options.find((one) => one.attributeName() === key)?.long?.slice(2) ?? key;
    const values: Record<string, string> = {};
    const lists: Record<string, readonly string[]> = {};
    const flags = new Set<string>();
    for (const [key, value] of Object.entries(command.opts<Record<string, string | true | readonly string[]>>())) {
      if (value === true) flags.add(flagOf(key));
      else if (typeof value === 'string') values[flagOf(key)] = value;
      else lists[flagOf(key)] = value;
    }
    done({ entry, argument: command.args[0] ?? '', values, lists, flags });
  });
}

/** An option that has swallowed the next one, and a value of a command's own option that is empty. */
function checkValues({ entry, values }: Parsed, args: readonly string[]): void {
  const help = entry.name === undefined ? 'berth --help' : `berth ${entry.name} --help`;
  for (const [flag, value = ''] of Object.entries(values)) {
    const swallowed = value.startsWith('-') && args.some((one, at) => one === `--${flag}` && args[at + 1] === value);
    if (swallowed) throw usageError(`--${flag}`, `its value is missing: ${value} is an option`, help);
    const isOwn = entry.options.some((one) => one.flag === flag);
    if (isOwn && value === '') throw usageError(`--${flag}`, 'its value is missing', help);
  }
}

const commandOf = (args: readonly string[]): CommandEntry | undefined => COMMANDS.find(({ name }) => name === args[0]);

const whereOf = (args: readonly string[]): string => ['berth', commandOf(args)?.name ?? []].flat().join(' ');

const helpFor = (args: readonly string[]): string => `${whereOf(args)} --help`;

/** Commander's sentence on one line: `unknown option '--clutsers' (Did you mean --clusters?)`. */
const textOf = ({ message }: CommanderError): string => message.replace(/^error: /, '').replaceAll('\n', ' ');
