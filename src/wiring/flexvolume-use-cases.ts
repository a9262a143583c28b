/** What the call-outs of FlexVolume call, from the services that this process has. */
import { join } from 'node:path';
import { DRIVER_NAME } from '../csi/identity-service.js';
import { berthError } from '../model/errors.js';
import type { Options } from '../options.js';
import { readKeyring } from '../rbd/keyring.js';
import type { FlexController, FlexNode, FlexUseCases } from '../flexvolume/call-outs.js';
import { attachVolume } from '../volume/controller/attach-volume.js';
import { detachVolume } from '../volume/controller/detach-volume.js';
import { expandVolume } from '../volume/controller/expand-volume.js';
import {
  attachByName,
  detachByName,
  isAttachedTo,
  type NamedAttachments,
} from '../volume/flexvolume/attach-by-name.js';
import { mountForPod, stageForHost, unmountDirectory } from '../volume/flexvolume/mount-for-pod.js';
import { findHandle } from '../volume/image/find-handle.js';
import { expandOnNode } from '../volume/node/expand-on-node.js';
import { handOver } from '../volume/node/handover/hand-over.js';
import type { NodeRoom } from '../volume/node/node-room.js';
import type { ControllerParts } from './controller-parts.js';

export function flexUseCases(
  { kubeletDirectory, keyringDirectory }: Options,
  node: NodeRoom | undefined,
  controller: ControllerParts | undefined,
): FlexUseCases {
  const clusters = (node ?? controller)?.clusters;
  // Below the kubelet's plugins, so that what is mounted there outlives the driver's container.
  const stagingRoot = join(kubeletDirectory, 'plugins', DRIVER_NAME, 'flexvolume');
  return {
    node: node === undefined ? undefined : flexNode(node, stagingRoot),
    controller: controller === undefined ? undefined : flexController(controller),
    findHandle: async (asked) => {
      if (clusters === undefined) throw berthError('BERTH_SERVICE_NOT_HERE', { call: 'FlexVolume', service: 'node' });
      return findHandle(clusters, asked);
    },
    readKeyring: (file, user) => readKeyring(keyringDirectory, file, user),
  };
}

const flexNode = (node: NodeRoom, stagingRoot: string): FlexNode => ({
  mountForPod: (request, deadline) => mountForPod(node, request, stagingRoot, deadline),
  stageForHost: (request, deadline) => stageForHost(node, request, deadline),
  handOver: (request, deadline) => handOver(node, request, deadline),
  unmountDirectory: (directory, deadline) => unmountDirectory(node, { directory, stagingRoot }, deadline),
  expand: (request, deadline) => expandOnNode(node, request, deadline),
});

function flexController(controller: ControllerParts): FlexController {
  const { rbd, clusters } = controller;
  const named: NamedAttachments = {
    rbd,
    clusters,
    attach: (asked, deadline) => attachVolume(controller, { ...asked, readOnly: false, secrets: undefined }, deadline),
    detach: (asked, deadline) => detachVolume(controller, { ...asked, secrets: undefined }, deadline),
  };
  return {
    attach: (request, deadline) => attachByName(named, request, deadline),
    detach: (asked, deadline) => detachByName(named, asked, deadline),
    isAttachedTo: (asked, deadline) => isAttachedTo(named, asked, deadline),
    expand: (request, deadline) => expandVolume(controller, request, deadline),
  };
}
