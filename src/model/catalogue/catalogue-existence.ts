/** The part of the catalogue that is about what does or does not exist: volumes, nodes, pools and paths. */
import { entry } from './catalogue-entry.js';

export const existence = {
  BERTH_VOLUME_NOT_FOUND: entry('NOT_FOUND', 'volume {volume} does not exist', 'check the volume handle'),
  BERTH_NODE_NOT_FOUND: entry(
    'NOT_FOUND',
    'node {node} is not registered in cluster {cluster}',
    'check that the node plugin runs there and reaches the cluster',
  ),
  BERTH_NODE_ELSEWHERE: entry(
    'NOT_FOUND',
    'node {node} is not registered in cluster {cluster}, and the node of that name there is of installation {there}',
    'if it is the same node, controller and node plugin disagree: give both the same --installation, or the same API',
  ),
  BERTH_REGISTRY_UNKNOWN: entry(
    'UNAVAILABLE',
    'where the nodes of cluster {cluster} are registered cannot be told: {place} cannot be asked: {why}',
    'let the pool answer, take it from the list in clusters.yaml if it is gone, or set registry there',
  ),
  BERTH_INSTALLATION_UNKNOWN: entry(
    'UNAVAILABLE',
    'to which installation this driver belongs is not known: {why}',
    'let its account get the namespace kube-system (deploy/kubernetes has the rule), or set --installation',
  ),
  BERTH_VOLUME_NOT_AT_PATH: entry(
    'NOT_FOUND',
    'volume {volume} is not at {path}',
    'use the path that stage or publish was given',
  ),
  BERTH_VOLUME_INCOMPATIBLE: entry(
    'ALREADY_EXISTS',
    'volume {volume} exists with another {what}: {have}, asked for {want}',
    'delete it first or ask for the same',
  ),
  BERTH_IMAGE_FOREIGN: entry(
    'ALREADY_EXISTS',
    'image {image} exists and was not made by Berth: {why}',
    'move it away or choose another volumeNamePrefix',
  ),
  BERTH_IMAGE_UNFINISHED: entry(
    'ABORTED',
    'image {image} has a name and no header since {age} s: another client is making it, or was cut short doing so',
    'the call is repeated; what nobody finishes is cleared away',
  ),
  BERTH_SOURCE_UNFIT: entry('INVALID_ARGUMENT', 'nothing can be made from {source}: {why}', '{todo}'),
  BERTH_COPY_UNFINISHED: entry(
    'ABORTED',
    'image {image} is being made from {source} since {age} s: {why}',
    'the call is repeated; what nobody finishes is completed, or cleared away and made anew',
  ),
  BERTH_COPY_FLATTENING: entry(
    'ABORTED',
    'volume {volume} stands on {depth} images, too many for a kernel to map safely, and is given data of its own: ' +
      '{percent} % are done',
    'the call is repeated and answered when it stands alone; nothing has to be done',
  ),
  BERTH_PUBLISHED_OTHERWISE: entry(
    'ALREADY_EXISTS',
    'volume {volume} is at {path} with another {what}',
    'unpublish it there first',
  ),
} as const;
