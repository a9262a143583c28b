/**
 * `berth adopt` as a real process: an image of hyperd pods becomes a PersistentVolume in place, and the driver takes it
 * as such.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ext4 } from '../csi/capabilities.js';
import { get, put } from '../csi/files.js';
import { contentOf, importFilesystem } from '../csi/images.js';
import { FlexNode } from '../flexvolume/flex-node.js';
import { podDirectory } from '../../../src/dev/flexvolume/kubelet-pod.js';

const MAIN = path.resolve('dist/src/main.js');
const SUCCESS = { status: 'Success' };
let flex: FlexNode;

beforeAll(async () => {
  flex = await FlexNode.open('adopt');
});
afterAll(() => flex.close());

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const adopt = (...args: readonly string[]): Promise<Ran> =>
  new Promise((resolve) => {
    const all = [MAIN, 'adopt', ...args, '--clusters', flex.site.clustersFile];
    execFile(process.execPath, all, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    );
  });

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly capacity: { readonly storage: string };
    readonly persistentVolumeReclaimPolicy: string;
    readonly claimRef?: object;
    readonly csi: { readonly driver: string; readonly volumeHandle: string; readonly fsType: string };
  };
}

describe('berth adopt', () => {
  it('a FlexVolume image: prints a PersistentVolume, whose data CSI and FlexVolume pods find', async () => {
    const image = `${flex.site.pool}/${flex.site.namespace}/by-hand`;
    await importFilesystem(flex.site, image, 64 * 1024 * 1024);
    const before = [await contentOf(flex.site, image), await flex.site.metadata(image)];
    const { code, stdout } = await adopt(image, '--fs-type', 'ext4', '--claim', 'default/data');
    expect(code).toBe(0);
    expect([await contentOf(flex.site, image), await flex.site.metadata(image)]).toEqual(before);
    expect(stdout).toContain('_data');
    expect(stdout).toContain('will never format it');
    const { kind, spec } = parse(stdout) as Manifest;
    expect(kind).toBe('PersistentVolume');
    expect(spec).toMatchObject({ persistentVolumeReclaimPolicy: 'Retain', capacity: { storage: '67108864' } });
    expect(spec.claimRef).toMatchObject({ namespace: 'default', name: 'data' });
    expect(spec.csi).toEqual({ driver: 'rbd.csi.berth.dev', volumeHandle: `dev/${image}`, fsType: 'ext4' });

    const volume = flex.site.adopt(spec.csi.volumeHandle, ext4(), flex.driver);
    const target = await volume.bring(flex.driver);
    expect(await get(target)).toBe('from elsewhere');
    await put(target, 'by csi', 'new');
    await volume.leave(flex.driver);
    const pod = flex.pod(image, { driver: 'berth~rbd' });
    expect(await flex.mount(pod)).toEqual(SUCCESS);
    expect(await get(podDirectory(pod), 'new')).toBe('by csi');
    expect(await flex.unmount(pod)).toEqual(SUCCESS);
    await flex.site.rbd('rm', '--no-progress', image);
  });

  it('an image in use: says who has it now', async () => {
    const volume = await flex.create();
    const pod = flex.pod(volume.image);
    await flex.mount(pod);
    const { code, stdout } = await adopt(volume.image);
    expect(code).toBe(0);
    expect(stdout).toContain(`# - node ${flex.driver.nodeId} holds it`);
    await flex.unmount(pod);
    expect((await adopt(volume.image)).stdout).not.toContain('holds it');
    await flex.site.endVolumes();
  });

  it('image missing, not ours, or of a filesystem that nobody names: refused', async () => {
    const { pool, namespace } = flex.site;
    expect(await adopt(`${pool}/${namespace}/none`)).toMatchObject({ code: 1, stdout: '' });
    expect((await adopt(`${pool}/${namespace}/none`)).stderr).toMatch(/^BERTH_VOLUME_NOT_FOUND: /);
    expect((await adopt('elsewhere/image')).stderr).toMatch(/^BERTH_POOL_NOT_OURS: /);
    expect((await adopt('image')).stderr).toMatch(/^BERTH_USAGE: .*one image is needed/);
    const image = `${pool}/${namespace}/blank`;
    await flex.site.rbd('create', '--size', '8M', image);
    expect((await adopt(image)).stderr).toMatch(/give --fs-type/);
    await flex.site.rbd('rm', '--no-progress', image);
  });
});
