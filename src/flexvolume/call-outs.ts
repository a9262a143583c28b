/** Each call-out of the kubelet as one use case of the core. */
import type { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';
import { imageSpec, parseVolumeId } from '../model/volume-id.js';
import { capabilityOf, type MountForPod } from '../volume/flexvolume/mount-for-pod.js';
import type { ExpandVolume } from '../volume/controller/expand-volume.js';
import type { ImageAsked } from '../volume/image/find-handle.js';
import type { ImageNamed } from '../volume/flexvolume/admit-image.js';
import type { AttachByName } from '../volume/flexvolume/attach-by-name.js';
import type { HandOver } from '../volume/node/handover/hand-over.js';
import type { ExpandOnNode } from '../volume/node/expand-on-node.js';
import type { Credentials } from '../volume/image/find-volume.js';
import type { AgentRequest } from './agent-request.js';
import { readVolumeOptions, type VolumeOptions } from './read-options.js';

/** What call-outs are made of; wiring/ makes it. A service that this process does not have is refused by name. */
export interface FlexUseCases {
  readonly node: FlexNode | undefined;
  readonly controller: FlexController | undefined;
  /** The volume's handle. BERTH_SERVICE_NOT_HERE in a process that is neither node nor controller. */
  readonly findHandle: (asked: ImageAsked) => Promise<string>;
  /**
   * Refuses what no pod may have. Asked before a call gives or changes anything. Calls that only tell or take away do
   * without it: a pod that has its volume must be able to end after the administrator changed his mind.
   */
  readonly admit: (asked: ImageNamed, deadline: Deadline) => Promise<void>;
  /** From the only directory whose keyrings a pod may name. */
  readonly readKeyring: (file: string, user: string | undefined) => Promise<Credentials>;
}

/** What the node's call-outs call. */
export interface FlexNode {
  readonly mountForPod: (request: MountForPod, deadline: Deadline) => Promise<void>;
  readonly stageForHost: (request: MountForPod, deadline: Deadline) => Promise<void>;
  readonly handOver: (request: HandOver, deadline: Deadline) => Promise<void>;
  readonly unmountDirectory: (directory: string, deadline: Deadline) => Promise<void>;
  readonly expand: (request: ExpandOnNode, deadline: Deadline) => Promise<unknown>;
}

/** What the controller's call-outs call. */
export interface FlexController {
  readonly attach: (request: AttachByName, deadline: Deadline) => Promise<void>;
  readonly detach: (asked: { readonly name: string; readonly node: string }, deadline: Deadline) => Promise<void>;
  readonly isAttachedTo: (
    asked: { readonly volume: string; readonly node: string },
    deadline: Deadline,
  ) => Promise<boolean>;
  /** The new size in bytes. */
  readonly expand: (request: ExpandVolume, deadline: Deadline) => Promise<bigint>;
}

/** The fields of FlexVolume's answer beside its status and message. */
export interface CallOutResult {
  readonly device?: string;
  readonly attached?: boolean;
  readonly volumeNewSize?: number;
}

/** The volume that a call is about, told as soon as it is known, for the log. */
type Tell = (about: Readonly<Record<string, string>>) => void;
type CallOut = (
  useCases: FlexUseCases,
  request: AgentRequest,
  tell: Tell,
  deadline: Deadline,
) => Promise<CallOutResult>;

interface VolumeAsked extends VolumeOptions {
  readonly volume: string;
}

async function volumeAsked(
  { findHandle }: FlexUseCases,
  text: string,
  { driver }: AgentRequest,
  tell: Tell,
): Promise<VolumeAsked> {
  const options = readVolumeOptions(text, driver);
  const volume = await findHandle(options);
  tell({ volume, sandbox: options.sandbox });
  return { ...options, volume };
}

function nodeOf({ node }: FlexUseCases, { call }: AgentRequest): FlexNode {
  if (node === undefined) throw berthError('BERTH_SERVICE_NOT_HERE', { call, service: 'node' });
  return node;
}

function controllerOf({ controller }: FlexUseCases, { call }: AgentRequest): FlexController {
  if (controller === undefined) throw berthError('BERTH_SERVICE_NOT_HERE', { call, service: 'controller' });
  return controller;
}

/** The pod's own secret first, then a keyring of the node; neither leaves it to clusters.yaml. */
async function credentialsOf(
  { readKeyring }: FlexUseCases,
  { secrets, keyring, user }: VolumeAsked,
): Promise<Credentials | undefined> {
  return secrets !== undefined || keyring === undefined ? secrets : readKeyring(keyring, user);
}

const mount: CallOut = async (useCases, request, tell, deadline) => {
  const [directory = '', text = ''] = request.args;
  const node = nodeOf(useCases, request);
  const options = await volumeAsked(useCases, text, request, tell);
  const asked = await mountAsked(useCases, options, directory, deadline);
  if (options.sandbox === 'hyperd') await node.handOver(asked, deadline);
  else await node.mountForPod({ ...asked, pod: options.pod }, deadline);
  return {};
};

/** What is mounted for a pod that may have it. */
async function mountAsked(
  useCases: FlexUseCases,
  options: VolumeAsked,
  directory: string,
  deadline: Deadline,
): Promise<MountForPod> {
  const { volume, fsType, readOnly, group, sandbox, allowHostMount } = options;
  const wish = { sandbox: sandbox === 'kata' ? sandbox : 'host', allowHostMount } as const;
  const secrets = await credentialsOf(useCases, options);
  await useCases.admit({ volume, allowHostMount, secrets, role: 'node' }, deadline);
  return { volume, directory, fsType, readOnly, group, sandbox: wish, secrets };
}

/** The directory is all that it is told, whatever was mounted there. */
const unmount: CallOut = async (useCases, request, _tell, deadline) => {
  const [directory = ''] = request.args;
  await nodeOf(useCases, request).unmountDirectory(directory, deadline);
  return {};
};

const mountDevice: CallOut = async (useCases, request, tell, deadline) => {
  const [directory = '', , text = ''] = request.args;
  const node = nodeOf(useCases, request);
  const options = await volumeAsked(useCases, text, request, tell);
  // A guest mounts its own device, so nothing would be mounted here:
  // and of what is no mount the kubelet asks for no unmountdevice.
  if (options.sandbox !== 'host') return {};
  await node.stageForHost(await mountAsked(useCases, options, directory, deadline), deadline);
  return {};
};

const attach: CallOut = async (useCases, request, tell, deadline) => {
  const [text = '', node = ''] = request.args;
  const controller = controllerOf(useCases, request);
  const options = await volumeAsked(useCases, text, request, tell);
  const { volume, name, sandbox, allowHostMount } = options;
  await useCases.admit({ volume, allowHostMount, secrets: undefined, role: 'controller' }, deadline);
  const shared = capabilityOf(options);
  // Its disk is writable whatever is asked.
  const capability = sandbox === 'hyperd' ? { ...shared, mode: 'SINGLE_NODE_SINGLE_WRITER' as const } : shared;
  await controller.attach({ volume, name, node, capability }, deadline);
  return { device: deviceOf(volume) };
};

/** Not a device of any node: which one it becomes is known when it is mapped. Kubernetes only hands it on. */
function deviceOf(volume: string): string {
  const id = parseVolumeId(volume);
  return `rbd:${id === undefined ? volume : imageSpec(id)}`;
}

const detach: CallOut = async (useCases, request, _tell, deadline) => {
  const [name = '', node = ''] = request.args;
  await controllerOf(useCases, request).detach({ name, node }, deadline);
  return {};
};

const isAttached: CallOut = async (useCases, request, tell, deadline) => {
  const [text = '', node = ''] = request.args;
  const controller = controllerOf(useCases, request);
  const { volume } = await volumeAsked(useCases, text, request, tell);
  return { attached: await controller.isAttachedTo({ volume, node }, deadline) };
};

/** The attach is a record, done when it is answered; the device comes with the mount. */
const waitForAttach: CallOut = async (useCases, request, tell) => {
  const { volume } = await volumeAsked(useCases, request.args[1] ?? '', request, tell);
  return { device: request.args[0] || deviceOf(volume) };
};

const expand: CallOut = async (useCases, request, tell, deadline) => {
  const [text = '', , bytes = ''] = request.args;
  const controller = controllerOf(useCases, request);
  const { volume, allowHostMount } = await volumeAsked(useCases, text, request, tell);
  const range = { required: bytesOf(bytes), limit: 0n };
  await useCases.admit({ volume, allowHostMount, secrets: undefined, role: 'controller' }, deadline);
  return { volumeNewSize: Number(await controller.expand({ volume, range, secrets: undefined }, deadline)) };
};

const expandFilesystem: CallOut = async (useCases, request, tell, deadline) => {
  const [text = '', , path = '', bytes = ''] = request.args;
  const node = nodeOf(useCases, request);
  const options = await volumeAsked(useCases, text, request, tell);
  const { volume, allowHostMount } = options;
  // A guest's filesystem grows when it is handed over next.
  if (options.sandbox === 'hyperd') return {};
  const range = { required: bytesOf(bytes), limit: 0n };
  const secrets = await credentialsOf(useCases, options);
  await useCases.admit({ volume, allowHostMount, secrets, role: 'node' }, deadline);
  await node.expand({ volume, path, range, secrets }, deadline);
  return {};
};

function bytesOf(text: string): bigint {
  if (!/^\d{1,18}$/.test(text))
    throw berthError('BERTH_FIELD_INVALID', { field: 'new size', why: `${text} is not a number of bytes` });
  return BigInt(text);
}

export const CALLS: Readonly<Record<string, CallOut>> = {
  mount,
  unmount,
  mountdevice: mountDevice,
  unmountdevice: unmount,
  attach,
  detach,
  isattached: isAttached,
  waitforattach: waitForAttach,
  expandvolume: expand,
  expandfs: expandFilesystem,
};
