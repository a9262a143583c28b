/** What images say, for one round over many: a cluster that does not answer is asked no further time in it. */
import { parseVolumeId } from '../../model/volume-id.js';
import { isClusterSilent } from '../../rbd/cluster-silence.js';
import type { ImageStates } from './gather-attachment.js';

/** Each volume of a silent cluster gets the error that the first one got. */
export function skipSilent<Asked extends Pick<ImageStates, 'readHolders'>>(ceph: Asked): Asked {
  const silent = new Map<string, unknown>();
  return {
    ...ceph,
    async readHolders(volume, watchers, deadline) {
      const cluster = parseVolumeId(volume)?.cluster ?? '';
      if (silent.has(cluster)) throw silent.get(cluster);
      try {
        return await ceph.readHolders(volume, watchers, deadline);
      } catch (error) {
        if (isClusterSilent(error)) silent.set(cluster, error);
        throw error;
      }
    },
  };
}
