/**
 * The commands of `berth`, each once: arguments, options, exit codes and help. Parsing, `--help`, completion and
 * docs/operations.md all come from this table.
 */
import { SETTINGS, type Setting } from '../manifests/settings.js';
import { FILESYSTEMS } from '../model/capability.js';
import { OPTIONS, type OptionName } from '../options/options.js';
import { OUTPUTS } from './output/show.js';
import { CLAIM_ACCESS_MODES } from './read-adopt.js';

export interface CommandOption {
  /** Without the two dashes. */
  readonly flag: string;
  /** A letter that stands for it, after one dash. */
  readonly short?: string;
  /** What stands for its value in the help; undefined for an option without one. */
  readonly value?: string;
  readonly choices?: readonly string[];
  /** It may be given several times, and each counts. */
  readonly repeats?: true;
  readonly help: string;
}

export interface CommandEntry {
  /** Undefined for the driver itself, which runs without a command. */
  readonly name: string | undefined;
  readonly does: string;
  /** What else a person has to know, in the help of this command. */
  readonly more: string;
  readonly argument?: { readonly name: string; readonly choices?: readonly string[]; readonly help: string };
  readonly options: readonly CommandOption[];
  /** Those of the driver's own options that it takes as well. */
  readonly driverOptions: readonly OptionName[];
  /** When it ends with 0, 1 and 2. */
  readonly exits: { readonly well: string; readonly failed: string; readonly attention?: string };
}

const ALL_OPTIONS = Object.keys(OPTIONS) as OptionName[];
const NOT_POSSIBLE = 'it was not possible, and the sentence says why';

/** As the help of `berth manifests` shows a setting. */
const settingLine = ({ path, fallback, help }: Setting): string => {
  const isShown = typeof fallback !== 'object' && fallback !== '';
  return `  ${path.padEnd(24)}${help}${isShown ? ` (${String(fallback)})` : ''}`;
};

export const SHELLS = ['bash', 'zsh'] as const;

/** Of every command that only looks. */
const VIEW: readonly CommandOption[] = [
  {
    flag: 'output',
    short: 'o',
    value: OUTPUTS.join('|'),
    choices: OUTPUTS,
    help: 'table (the default; fits 100 columns), wide (nothing is cut or wrapped), or all of it for a script',
  },
  { flag: 'watch', help: 'look again every five seconds until Ctrl-C; the last look decides how it ends' },
];

export const DRIVER_COMMAND: CommandEntry = {
  name: undefined,
  does: 'a CSI driver for Ceph RBD: serves until it is told to stop',
  more: 'Every option can be given as the environment variable beside it; the command line goes first.',
  options: [],
  driverOptions: ALL_OPTIONS,
  exits: { well: 'stopped by SIGTERM or SIGINT', failed: 'it could not start, and the sentence says why' },
};

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'doctor',
    does: 'examines this machine and the clusters, and changes nothing',
    more: 'It may run beside a live driver. Give it the options of that driver, so that it sees what the driver sees.',
    options: [
      { flag: 'json', help: 'print {"level", "findings": [{"name", "level", "says"}]}, as -o json does' },
      ...VIEW,
      {
        flag: 'install',
        help: 'what is missing before anything is created: on a node, in the clusters, in Kubernetes',
      },
      {
        flag: 'pods',
        value: 'UID,...',
        help: 'all pods that Kubernetes has on this node, as kubectl berth says them: directories of others are named',
      },
    ],
    driverOptions: ALL_OPTIONS,
    exits: { well: 'all is well', failed: 'something fails', attention: 'warnings only' },
  },
  {
    name: 'adopt',
    does: 'prints a PersistentVolume for an image that is there already, and what differs; changes nothing',
    more: 'For `kubectl apply -f -`; what differs stands in comments above it.',
    argument: { name: 'POOL[/NAMESPACE]/IMAGE', help: 'the image' },
    options: [
      { flag: 'cluster-id', value: 'ID', help: 'the cluster, where several have a pool of this name' },
      { flag: 'name', value: 'NAME', help: 'of the PersistentVolume' },
      { flag: 'fs-type', value: FILESYSTEMS.join('|'), choices: FILESYSTEMS, help: 'where the image does not say it' },
      { flag: 'claim', value: 'NAMESPACE/NAME', help: 'the claim that is to get it' },
      {
        flag: 'access-mode',
        value: CLAIM_ACCESS_MODES.join('|'),
        choices: CLAIM_ACCESS_MODES,
        help: `default: ${CLAIM_ACCESS_MODES[0]}`,
      },
    ],
    driverOptions: ['clusters'],
    exits: { well: 'printed', failed: NOT_POSSIBLE },
  },
  {
    name: 'trace',
    does: 'shows the whole chain of a volume, from its claim to its pods, and the first link that is broken',
    more:
      'In a node’s pod, give --services node: it then uses that node’s Ceph user and shows that node’s journal, ' +
      'device and mounts. A KIND in front (pvc:, pv:, volume:, image:, device:, node:, pod:, object:) says what it ' +
      'is. With - it reads names of objects from what is piped to it, and says whose they are.',
    argument: {
      name: 'WHAT',
      help: 'NAMESPACE/CLAIM, a PersistentVolume, POOL/IMAGE, a handle, /dev/rbd0, NAMESPACE/POD, a node or -',
    },
    options: VIEW,
    driverOptions: ALL_OPTIONS,
    exits: {
      well: 'shown, and no link is broken',
      failed: NOT_POSSIBLE,
      attention: 'shown: a link is broken, or could not be looked at',
    },
  },
  {
    name: 'volumes',
    does: 'lists every volume on one line: claim, PersistentVolume, size, node, device, sandbox and state',
    more:
      'As a controller it lists all that the clusters file has, and in a node’s pod (--services node) those of that ' +
      'node, for only a node knows devices and sandboxes. -o wide adds handles, and why a volume wants a look.',
    options: VIEW,
    driverOptions: ALL_OPTIONS,
    exits: {
      well: 'listed',
      failed: NOT_POSSIBLE,
      attention: 'listed: a volume has no image or its records are not in order, or not all could be looked at',
    },
  },
  {
    name: 'explain',
    does: 'says what a code of an error, or a reason of `berth trace`, means and what to do',
    more: 'With or without BERTH_ in front. It asks nobody.',
    argument: { name: 'CODE', help: 'such as BERTH_VOLUME_HELD, or NodeGone' },
    options: [],
    driverOptions: [],
    exits: { well: 'printed', failed: 'there is no such code' },
  },
  {
    name: 'attachments',
    does: 'lists attachments and holders that are stuck; --release and --holder prove a detach and make it',
    more:
      'Without --yes it shows the proof and changes nothing. With it --release lifts the finalizer, and --holder ' +
      'takes a node out of the record of a volume for which no VolumeAttachment asks, also without Kubernetes.',
    options: [
      { flag: 'release', value: 'NAME', help: 'the VolumeAttachment that is to go' },
      { flag: 'holder', value: 'NODE', help: 'the node that is to go from the record of --volume' },
      { flag: 'volume', value: 'HANDLE', help: 'for --holder; for --release where the PersistentVolume is gone' },
      { flag: 'finalizer', value: 'NAME', help: 'the finalizer to lift, where it is not csi-attacher’s' },
      { flag: 'yes', help: 'do it' },
      ...VIEW,
    ],
    driverOptions: ALL_OPTIONS,
    exits: {
      well: 'none is stuck; it was released',
      failed: NOT_POSSIBLE,
      attention: 'some are stuck; the proof was only shown',
    },
  },
  {
    name: 'undelete',
    does: 'lists deleted volumes whose data is still there; --volume brings one back and prints its PersistentVolume',
    more:
      'For `kubectl apply -f -`. What a StorageClass keeps (deleteRetention), or snapshots keep, comes back whole; a ' +
      'volume whose data is being removed does not.',
    options: [
      { flag: 'volume', value: 'HANDLE', help: 'the handle that the volume had' },
      { flag: 'id', value: 'ID', help: 'the image’s id, where several had that handle' },
      { flag: 'as', value: 'IMAGE', help: 'another name for the image, where its own is taken' },
      { flag: 'name', value: 'NAME', help: 'of the PersistentVolume' },
      { flag: 'claim', value: 'NAMESPACE/NAME', help: 'the claim that is to get it' },
      {
        flag: 'access-mode',
        value: CLAIM_ACCESS_MODES.join('|'),
        choices: CLAIM_ACCESS_MODES,
        help: `default: ${CLAIM_ACCESS_MODES[0]}`,
      },
    ],
    driverOptions: ALL_OPTIONS,
    exits: { well: 'listed; brought back', failed: NOT_POSSIBLE },
  },
  {
    name: 'garbage',
    does: 'lists images, snapshots and records that nothing explains; --yes removes those that are provably nobody’s',
    more:
      'Nothing younger than an hour is listed. What holds data, has snapshots or watchers, or may be of another ' +
      'installation is never removed. It asks the Kubernetes API for what only that can explain.',
    options: [{ flag: 'yes', help: 'remove them; each is looked at once more before' }, ...VIEW],
    driverOptions: ALL_OPTIONS,
    exits: {
      well: 'there is none; all that was found was removed',
      failed: NOT_POSSIBLE,
      attention: 'there is some, or not all could be looked at',
    },
  },
  {
    name: 'unstage',
    does: 'has the driver of this node unstage a volume that no pod uses and its kubelet has forgotten',
    more:
      'Refused while a pod uses it, and the sentence says which. Run it in the node’s pod: it reads that journal, ' +
      'and asks the driver that runs there. A kubelet that knows of the volume still does not stage it again.',
    argument: { name: 'HANDLE', help: 'the volume handle' },
    options: [],
    driverOptions: ['endpoint', 'stateDirectory'],
    exits: {
      well: 'unstaged, and the holder record is given back',
      failed: NOT_POSSIBLE,
      attention: 'unstaged; the holder record is given back when the cluster answers',
    },
  },
  {
    name: 'manifests',
    does: 'prints the manifests of Kubernetes for one installation',
    more:
      'For `kubectl apply -f -`. It asks nobody and changes nothing. Keys come from files, for others see arguments. ' +
      `Settings:\n\n${SETTINGS.map(settingLine).join('\n')}`,
    options: [
      { flag: 'set', value: 'NAME=VALUE', repeats: true, help: 'a setting; variables.BERTH_FENCING=node-lost too' },
      { flag: 'set-file', value: 'NAME=FILE', repeats: true, help: 'a setting whose value is the content of a file' },
    ],
    driverOptions: [],
    exits: { well: 'printed', failed: NOT_POSSIBLE },
  },
  {
    name: 'completion',
    does: 'prints a script that completes `berth` in a shell',
    more: 'For bash: source <(berth completion bash). For zsh: the same with zsh, after compinit.',
    argument: { name: 'SHELL', choices: SHELLS, help: SHELLS.join(' or ') },
    options: [],
    driverOptions: [],
    exits: { well: 'printed', failed: NOT_POSSIBLE },
  },
];

/** Every option of a command: its own, then the driver's. */
export const optionsOf = ({ options, driverOptions }: CommandEntry): readonly CommandOption[] => [
  ...options,
  ...driverOptions.map((name) => {
    const { flag, value, choices, help, variable, fallback } = OPTIONS[name];
    const from = fallback === undefined || fallback === '' ? variable : `${variable}, ${fallback}`;
    return { flag, value, choices, help: `${help} (${from})` };
  }),
];
