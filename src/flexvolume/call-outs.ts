/** Each call-out of the kubelet as one use case of the core. */
import type { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';
import { imageSpec, parseVolumeId } from '../model/volume-id.js';
import { readKeyring } from '../rbd/keyring.js';
import {
  mountForPod,
  capabilityOf,
  stageForHost,
  unmountDirectory,
  type MountForPod,
} from '../volume/flexvolume/mount-for-pod.js';
import { expandVolume } from '../volume/controller/expand-volume.js';
import { findHandle } from '../volume/image/find-handle.js';
import { attachByName, detachByName, isAttachedTo } from '../volume/flexvolume/attach-by-name.js';
import { handOver } from '../volume/node/handover/hand-over.js';
import type { NodeRoom } from '../volume/node/node-room.js';
import { expandOnNode } from '../volume/node/expand-on-node.js';
import type { ControllerRoom } from '../volume/controller/controller-room.js';
import type { Credentials } from '../volume/image/find-volume.js';
import type { Question } from './question.js';
import { readOptions, type VolumeOptions } from './read-options.js';

/** What the door stands on; a service that this process does not have is refused by name. */
export interface FlexUseCases {
  readonly node: NodeRoom | undefined;
  readonly controller: ControllerRoom | undefined;
  /** Where volumes are staged that the kubelet does not stage. */
  readonly stagingRoot: string;
  /** The only place from which a pod may name a keyring. */
  readonly keyrings: string;
}

/** The fields of FlexVolume's answer beside its status and message. */
export interface Said {
  readonly device?: string;
  readonly attached?: boolean;
  readonly volumeNewSize?: number;
}

/** The volume that a call is about, told as soon as it is known, for the log. */
type Tell = (about: Readonly<Record<string, string>>) => void;
type Call = (room: FlexUseCases, question: Question, tell: Tell, deadline: Deadline) => Promise<Said>;

interface Meant extends VolumeOptions {
  readonly volume: string;
}

async function meant(room: FlexUseCases, text: string, { driver }: Question, tell: Tell): Promise<Meant> {
  const options = readOptions(text, driver);
  const { clusters } = someRoom(room);
  const volume = await findHandle(clusters, options);
  tell({ volume, sandbox: options.sandbox });
  return { ...options, volume };
}

function someRoom(room: FlexUseCases): NodeRoom | ControllerRoom {
  const some = room.node ?? room.controller;
  if (some === undefined) throw berthError('BERTH_SERVICE_NOT_HERE', { call: 'FlexVolume', service: 'node' });
  return some;
}

function nodeOf({ node }: FlexUseCases, { call }: Question): NodeRoom {
  if (node === undefined) throw berthError('BERTH_SERVICE_NOT_HERE', { call, service: 'node' });
  return node;
}

function controllerOf({ controller }: FlexUseCases, { call }: Question): ControllerRoom {
  if (controller === undefined) throw berthError('BERTH_SERVICE_NOT_HERE', { call, service: 'controller' });
  return controller;
}

/** The pod's own secret first, then a keyring of the node; neither leaves it to clusters.yaml. */
async function credentialsOf(room: FlexUseCases, { secrets, keyring, user }: Meant): Promise<Credentials | undefined> {
  if (secrets !== undefined || keyring === undefined) return secrets;
  return readKeyring(room.keyrings, keyring, user);
}

const mount: Call = async (room, question, tell, deadline) => {
  const [directory = '', text = ''] = question.args;
  const node = nodeOf(room, question);
  const options = await meant(room, text, question, tell);
  const request = await bringing(room, options, directory);
  if (options.sandbox === 'hyperd') await handOver(node, request, deadline);
  else await mountForPod(node, { ...request, pod: options.pod }, room.stagingRoot, deadline);
  return {};
};

async function bringing(room: FlexUseCases, options: Meant, directory: string): Promise<MountForPod> {
  const { volume, fsType, readOnly, sandbox, allowHostMount } = options;
  const wish = { sandbox: sandbox === 'kata' ? sandbox : 'host', allowHostMount } as const;
  return { volume, directory, fsType, readOnly, sandbox: wish, secrets: await credentialsOf(room, options) };
}

/** The directory is all that it is told, whatever was mounted there. */
const unmount: Call = async (room, question, _tell, deadline) => {
  const [directory = ''] = question.args;
  await unmountDirectory(nodeOf(room, question), { directory, stagingRoot: room.stagingRoot }, deadline);
  return {};
};

const mountDevice: Call = async (room, question, tell, deadline) => {
  const [directory = '', , text = ''] = question.args;
  const node = nodeOf(room, question);
  const options = await meant(room, text, question, tell);
  // A guest mounts its own device, so nothing would be mounted here: and of what is no mount the kubelet asks for no
  // unmountdevice.
  if (options.sandbox !== 'host') return {};
  await stageForHost(node, await bringing(room, options, directory), deadline);
  return {};
};

const attach: Call = async (room, question, tell, deadline) => {
  const [text = '', node = ''] = question.args;
  const controller = controllerOf(room, question);
  const options = await meant(room, text, question, tell);
  const { volume, name, sandbox } = options;
  const shared = capabilityOf(options);
  // Its disk is writable whatever is asked.
  const capability = sandbox === 'hyperd' ? { ...shared, mode: 'SINGLE_NODE_SINGLE_WRITER' as const } : shared;
  await attachByName(controller, { volume, name, node, capability }, deadline);
  return { device: deviceOf(volume) };
};

/** Not a device of any node: which one it becomes is known when it is mapped. Kubernetes only hands it on. */
function deviceOf(volume: string): string {
  const id = parseVolumeId(volume);
  return `rbd:${id === undefined ? volume : imageSpec(id)}`;
}

const detach: Call = async (room, question, _tell, deadline) => {
  const [name = '', node = ''] = question.args;
  await detachByName(controllerOf(room, question), { name, node }, deadline);
  return {};
};

const isAttached: Call = async (room, question, tell, deadline) => {
  const [text = '', node = ''] = question.args;
  const controller = controllerOf(room, question);
  const { volume } = await meant(room, text, question, tell);
  return { attached: await isAttachedTo(controller, { volume, node }, deadline) };
};

/** The attach is a record, done when it is answered; the device comes with the mount. */
const waitForAttach: Call = async (room, question, tell) => {
  const { volume } = await meant(room, question.args[1] ?? '', question, tell);
  return { device: question.args[0] || deviceOf(volume) };
};

const expand: Call = async (room, question, tell, deadline) => {
  const [text = '', , bytes = ''] = question.args;
  const controller = controllerOf(room, question);
  const { volume } = await meant(room, text, question, tell);
  const range = { required: bytesOf(bytes), limit: 0n };
  return { volumeNewSize: Number(await expandVolume(controller, { volume, range, secrets: undefined }, deadline)) };
};

const expandFilesystem: Call = async (room, question, tell, deadline) => {
  const [text = '', , path = '', bytes = ''] = question.args;
  const node = nodeOf(room, question);
  const options = await meant(room, text, question, tell);
  const { volume } = options;
  // A guest's filesystem grows when it is handed over next.
  if (options.sandbox === 'hyperd') return {};
  const range = { required: bytesOf(bytes), limit: 0n };
  await expandOnNode(node, { volume, path, range, secrets: await credentialsOf(room, options) }, deadline);
  return {};
};

function bytesOf(text: string): bigint {
  if (!/^\d{1,18}$/.test(text))
    throw berthError('BERTH_FIELD_INVALID', { field: 'new size', why: `${text} is not a number of bytes` });
  return BigInt(text);
}

export const CALLS: Readonly<Record<string, Call>> = {
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
