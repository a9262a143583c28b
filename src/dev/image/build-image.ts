/** One image from the Dockerfile, as files: the archive that engines load, its SBOM, its root, and the build's log. */
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Exec } from '../../host/process/exec.js';
import type { Deadline } from '../../model/deadline.js';
import { packageRoot } from '../../model/package-root.js';
import type { Need } from '../packages.js';
import { startBuilder, withContainer, type Builder } from './buildah.js';
import { debianBase, nodeBase } from './image-bases.js';
import { fileNameOf, hostArchitecture, REGISTRY_BASE, tagOf, type ImageKind } from './kinds.js';

const NEEDS: readonly Need[] = [
  { what: 'buildah', comesWith: 'buildah' },
  { what: 'mmdebstrap', comesWith: 'mmdebstrap' },
];
/** Where the programs of another architecture run by emulation; their packages register it with the kernel. */
const FOREIGN_NEEDS: readonly Need[] = [
  { what: 'arch-test', comesWith: 'arch-test' },
  { what: 'qemu-aarch64-static', comesWith: 'qemu-user-static binfmt-support' },
];

/** Programs that the build runs, beside npm. */
export const imageNeeds = (arch: ImageKind['arch']): readonly Need[] =>
  arch === hostArchitecture() ? NEEDS : [...NEEDS, ...FOREIGN_NEEDS];

export interface ImageWish {
  readonly kind: ImageKind;
  /** Absolute; what is there of an earlier build is written over. */
  readonly output: string;
  /** From a registry, as the Dockerfile pins them; else made here. */
  readonly bases: 'registry' | 'debian';
}

export interface ImageFiles {
  readonly name: string;
  /** Of all layers, unpacked. */
  readonly bytes: number;
  /** In the form that docker, podman and containerd load. */
  readonly archive: string;
  /** CycloneDX, JSON. */
  readonly sbom: string;
  /** What a container of it sees as /. */
  readonly root: string;
  readonly log: string;
}

/** BERTH_COMMAND_FAILED, whose log is beside the archive; BERTH_PACKAGES_MISSING, DEADLINE. */
export async function buildImage(exec: Exec, wish: ImageWish, deadline: Deadline): Promise<ImageFiles> {
  const { kind, output } = wish;
  await checkPrograms(exec, kind.arch, deadline);
  const at = (ending: string): string => path.join(output, `${fileNameOf(kind)}${ending}`);
  const files = { archive: at('.tar'), sbom: at('.cdx.json'), root: at('.root'), log: at('.log') };
  await mkdir(output, { recursive: true });
  for (const file of Object.values(files)) await rm(file, { recursive: true, force: true });
  const builder = await startBuilder(exec, files.log, deadline);
  const name = `localhost/berth:${tagOf(kind)}-${kind.arch}`;
  const bases = await basesOf(builder, wish);
  const given = Object.entries(bases).flatMap(([argument, image]) => ['--build-arg', `${argument}=${image}`]);
  const how = ['--isolation', 'chroot', '--arch', kind.arch, '--format', 'docker', '--tag', name, ...given];
  await builder.build('bud', ...how, packageRoot());
  await withContainer(builder, ['--arch', kind.arch, name], async (container) => {
    const root = await builder.buildah('mount', container);
    await mkdir(files.root);
    await exec('cp', ['--archive', `${root}/.`, files.root], { deadline });
    await exec('cp', [path.join(root, 'opt/berth/sbom.cdx.json'), files.sbom], { deadline });
  });
  await builder.build('push', name, `docker-archive:${files.archive}:${name}`);
  await builder.buildah('rmi', name);
  return { ...files, name, bytes: await bytesOf(files.root) };
}

/** Another architecture's: mmdebstrap and the last stages start them. */
async function checkPrograms(exec: Exec, arch: ImageKind['arch'], deadline: Deadline): Promise<void> {
  if (arch === hostArchitecture()) return;
  const { exitCode } = await exec('arch-test', [arch], { deadline, okCodes: [0, 1] });
  if (exitCode === 0) return;
  throw new Error(`this kernel starts no programs of ${arch}: register qemu-user at binfmt_misc (docs/install.md)`);
}

async function basesOf(builder: Builder, { kind, bases }: ImageWish): Promise<Readonly<Record<string, string>>> {
  const host = hostArchitecture() ?? kind.arch;
  if (bases === 'registry') {
    const base = REGISTRY_BASE[kind.ceph];
    return base === undefined ? {} : { BASE_IMAGE: base };
  }
  const base = await debianBase(builder, kind);
  const own = host === kind.arch ? base : await debianBase(builder, { ...kind, arch: host });
  return { BASE_IMAGE: base, NODE_IMAGE: await nodeBase(builder, own, host, kind.arch) };
}

/** Of all files; a hard link counts once. */
async function bytesOf(root: string): Promise<number> {
  const seen = new Set<number>();
  let bytes = 0;
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const { ino, size } = await stat(path.join(entry.parentPath, entry.name));
    if (!seen.has(ino)) bytes += size;
    seen.add(ino);
  }
  return bytes;
}
