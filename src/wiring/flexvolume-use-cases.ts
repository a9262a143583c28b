/** What the call-outs of FlexVolume call, from the services that this process has. */
import { DRIVER_NAME } from '../csi/identity-service.js';
import { berthError } from '../model/errors.js';
import { flexStagingRoot } from '../volume/flexvolume/kubelet-directories.js';
import type { Options } from '../options/options.js';
import { readKeyring } from '../rbd/keyring.js';
import type { FlexController, FlexNode, FlexUseCases } from '../flexvolume/call-outs.js';
import { attachVolume } from '../volume/controller/attach-volume.js';
import { detachVolume } from '../volume/controller/detach/detach-volume.js';
import { expandVolume } from '../volume/controller/expand-volume.js';
import { admitImage } from '../volume/flexvolume/admit-image.js';
import {
  attachByName,
  detachByName,
  isAttachedTo,
  type NamedAttachments,
} from '../volume/flexvolume/attach-by-name.js';
import { mountForPod, stageForHost, type MountParts } from '../volume/flexvolume/mount-for-pod.js';
import { unmountDirectory, type UnmountParts } from '../volume/flexvolume/unmount-directory.js';
import type { VolumeActs } from '../volume/flexvolume/volume-acts.js';
import { findHandle } from '../volume/image/find-handle.js';
import { expandOnNode } from '../volume/node/expand-on-node.js';
import { handOver } from '../volume/node/handover/hand-over.js';
import { reclaimImage } from '../volume/node/handover/reclaim-image.js';
import type { NodeParts } from './node-parts.js';
import { checkPublish, publishWithin } from '../volume/node/publish-volume.js';
import { checkStage, stageWithin } from '../volume/node/stage-volume.js';
import { unpublishWithin } from '../volume/node/unpublish-volume.js';
import { unstageWithin } from '../volume/node/unstage-volume.js';
import type { ControllerParts } from './controller-parts.js';

export function flexUseCases(
  { kubeletDirectory, keyringDirectory }: Options,
  node: NodeParts | undefined,
  controller: ControllerParts | undefined,
): FlexUseCases {
  const parts = node ?? controller;
  const partsHere = (): NodeParts | ControllerParts => {
    if (parts === undefined) throw berthError('BERTH_SERVICE_NOT_HERE', { call: 'FlexVolume', service: 'node' });
    return parts;
  };
  const hasNode = node !== undefined && kubeletDirectory !== undefined;
  return {
    node: hasNode ? flexNode(node, flexStagingRoot(kubeletDirectory, DRIVER_NAME)) : undefined,
    controller: controller === undefined ? undefined : flexController(controller),
    findHandle: async (asked) => findHandle(partsHere().clusters, asked),
    admit: async (asked, deadline) => admitImage(partsHere(), asked, deadline),
    readKeyring: (file, user) => readKeyring(keyringDirectory, file, user),
  };
}

function flexNode(node: NodeParts, stagingRoot: string): FlexNode {
  const acts: VolumeActs = {
    stage: async (request, operation, deadline) => stageWithin(node, await checkStage(request), operation, deadline),
    publish: async (request, operation, deadline) =>
      publishWithin(node, await checkPublish(request), operation, deadline),
    unpublish: ({ volume, targetPath: path }, operation, deadline) =>
      unpublishWithin(node, { volume, path, askedPath: path }, operation, deadline),
    unstage: (request, operation, deadline) => unstageWithin(node, request, operation, deadline),
  };
  const { operations, journal, log, mappers, clusters } = node;
  const mounting: MountParts = { operations, journal, acts, stagingRoot, log };
  const unmounting: UnmountParts = {
    operations,
    journal,
    acts,
    reclaim: (asked, deadline) => reclaimImage(node, asked, deadline),
    mappers,
    clusters,
    stagingRoot,
  };
  return {
    mountForPod: (request, deadline) => mountForPod(mounting, request, deadline),
    stageForHost: (request, deadline) => stageForHost(mounting, request, deadline),
    handOver: (request, deadline) => handOver(node, request, deadline),
    unmountDirectory: (directory, deadline) => unmountDirectory(unmounting, directory, deadline),
    expand: (request, deadline) => expandOnNode(node, request, deadline),
  };
}

function flexController(controller: ControllerParts): FlexController {
  const { rbd, clusters, installation } = controller;
  // What a pod names is opened by the node's own user, or by one that the pod's keyring names.
  const parts: ControllerParts = { ...controller, volumeUsers: undefined };
  const named: NamedAttachments = {
    rbd,
    clusters,
    installation,
    attach: (asked, deadline) => attachVolume(parts, { ...asked, readOnly: false, secrets: undefined }, deadline),
    detach: (asked, deadline) => detachVolume(parts, { ...asked, secrets: undefined }, deadline),
  };
  return {
    attach: (request, deadline) => attachByName(named, request, deadline),
    detach: (asked, deadline) => detachByName(named, asked, deadline),
    isAttachedTo: (asked, deadline) => isAttachedTo(named, asked, deadline),
    expand: (request, deadline) => expandVolume(controller, request, deadline),
  };
}
