/** The kubelet's directories, all derived from its one root: where volumes are mounted, and where FlexVolume stages. */
import path from 'node:path';

/** Below these the node plugin has to be shown the host's own mounts, in both directions. */
export const sharedDirectories = (kubelet: string): readonly string[] =>
  ['pods', 'plugins'].map((name) => path.join(kubelet, name));

/**
 * Where FlexVolume's volumes are staged: beside the directory of the driver's sockets, never below it. Sidecars are
 * shown that one, and a container keeps a mount that it was shown without propagation until it ends.
 */
export const flexStagingRoot = (kubelet: string, driver: string): string =>
  path.join(kubelet, 'plugins', `${driver}.flexvolume`);

/** Below these volumes are mounted: the pods' directories, CSI's stages, and FlexVolume's. */
export const mountPlaces = (kubelet: string, driver: string): readonly string[] => [
  path.join(kubelet, 'pods'),
  path.join(kubelet, 'plugins/kubernetes.io'),
  flexStagingRoot(kubelet, driver),
];
