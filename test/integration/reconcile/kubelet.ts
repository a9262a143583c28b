/**
 * A directory laid out as a kubelet lays it out, with the data files that it writes; nothing in it is mounted by
 * itself.
 */
import { createHash } from 'node:crypto';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';

export const DRIVER = 'rbd.csi.berth.dev';
const CSI = 'kubernetes.io~csi';

export class Kubelet {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  podDirectory(pod: string): string {
    return path.join(this.root, 'pods', pod);
  }

  volumeDirectory(pod: string, name: string): string {
    return path.join(this.podDirectory(pod), 'volumes', CSI, name);
  }

  stageDirectory(volume: string, driver = DRIVER): string {
    const name = createHash('sha256').update(volume).digest('hex');
    return path.join(this.root, 'plugins/kubernetes.io/csi', driver, name);
  }

  /** As before NodeStageVolume: the staging path exists and the data file stands beside it. */
  async stage(volume: string, driver = DRIVER): Promise<string> {
    const directory = this.stageDirectory(volume, driver);
    const staging = path.join(directory, 'globalmount');
    await mkdir(staging, { recursive: true });
    await writeData(directory, volume, driver);
    return staging;
  }

  /** As before NodePublishVolume: the directory exists, the target does not. */
  async publish(pod: string, name: string, volume: string, driver = DRIVER): Promise<string> {
    const directory = this.volumeDirectory(pod, name);
    await mkdir(directory, { recursive: true });
    await writeData(directory, volume, driver);
    return path.join(directory, 'mount');
  }
}

async function writeData(directory: string, volumeHandle: string, driverName: string): Promise<void> {
  await writeFile(path.join(directory, 'vol_data.json'), JSON.stringify({ driverName, volumeHandle }));
}

/** As if it had not changed for a day. */
export async function age(...files: readonly string[]): Promise<void> {
  const yesterday = Date.now() / 1000 - 86_400;
  for (const file of files) await utimes(file, yesterday, yesterday);
}
