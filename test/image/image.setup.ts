/**
 * The image that is tested: built for the run, or what `npm run image` left in BERTH_IMAGE_ROOT (its `.root`).
 * BERTH_IMAGE_CEPH is 18, or 20; BERTH_IMAGE_ARCH this machine's architecture, or another one, which is emulated.
 */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { buildImage, imageNeeds } from '../../src/dev/image/build-image.js';
import { ARCHITECTURES, hostArchitecture, IMAGE_CEPHS, IMAGE_SUITE } from '../../src/dev/image/kinds.js';
import { ensurePackages, machineThatNeeds } from '../../src/dev/packages.js';
import { unpackedRoot } from '../../src/dev/root/unpacked-root.js';
import { say } from '../../src/dev/say.js';
import { run } from '../../src/host/process/exec.js';
import { Deadline } from '../../src/model/deadline.js';

const BUILD_MS = 1_800_000;

declare module 'vitest' {
  export interface ProvidedContext {
    image: {
      readonly root: string;
      /** Has QEMU's storage daemon; of this machine's architecture. */
      readonly qemu: string;
      readonly ceph: string;
      /** Of another architecture: its programs are emulated. */
      readonly isForeign: boolean;
    };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const deadline = Deadline.after(BUILD_MS);
  const ceph = IMAGE_CEPHS.find((one) => one === process.env['BERTH_IMAGE_CEPH']) ?? '18';
  const own = hostArchitecture();
  const arch = ARCHITECTURES.find((one) => one === process.env['BERTH_IMAGE_ARCH']) ?? own;
  if (arch === undefined) throw new Error(`no image is made for ${process.arch}`);
  const isForeign = arch !== own;
  const qemu = await unpackedRoot(run, IMAGE_SUITE[ceph], say, deadline);
  const made = process.env['BERTH_IMAGE_ROOT'];
  if (made !== undefined) {
    project.provide('image', { root: path.resolve(made), qemu, ceph, isForeign });
    return () => Promise.resolve();
  }
  const output = await realpath(await mkdtemp(path.join(os.tmpdir(), 'berth-image-')));
  const remove = (): Promise<void> => rm(output, { recursive: true, force: true });
  try {
    await ensurePackages(run, say, deadline, machineThatNeeds(imageNeeds(arch)));
    say(`building the image with Ceph ${ceph}; it takes a minute or two`);
    const { root } = await buildImage(run, { kind: { ceph, arch }, output, bases: 'debian' }, deadline);
    project.provide('image', { root, qemu, ceph, isForeign });
    return remove;
  } catch (error) {
    await remove();
    throw error;
  }
}
