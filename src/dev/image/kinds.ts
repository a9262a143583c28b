/** The images that there are: of which Ceph, for which processor, on which base, and what they are called. */
import { packageVersion } from '../../model/package-root.js';
import type { Suite } from '../root/release.js';

/** The Ceph client of the image: 18 is the one that Debian maintains, 20 the one that can use keys of type aes256k. */
export const IMAGE_CEPHS = ['18', '20'] as const;
/** As OCI and Debian call them, both. */
export const ARCHITECTURES = ['amd64', 'arm64'] as const;

export interface ImageKind {
  readonly ceph: (typeof IMAGE_CEPHS)[number];
  readonly arch: (typeof ARCHITECTURES)[number];
}

export const IMAGE_SUITE: Readonly<Record<ImageKind['ceph'], Suite>> = { 18: 'trixie', 20: 'sid' };

/** Where a registry is asked: the Dockerfile's own pinned base, or the one for which nobody promises anything. */
export const REGISTRY_BASE: Readonly<Record<ImageKind['ceph'], string | undefined>> = {
  18: undefined,
  20: 'debian:sid-slim',
};

/** What is added to the version of the default image. */
const SUFFIX: Readonly<Record<ImageKind['ceph'], string>> = { 18: '', 20: '-ceph20' };

/** `0.1.0`, `0.1.0-ceph20`. */
export const tagOf = ({ ceph }: ImageKind): string => `${packageVersion()}${SUFFIX[ceph]}`;

/** `berth-0.1.0-ceph20-amd64`: of files. */
export const fileNameOf = (kind: ImageKind): string => `berth-${tagOf(kind)}-${kind.arch}`;

/** This machine's own; undefined where no image is made for it. */
export const hostArchitecture = (): ImageKind['arch'] | undefined =>
  (({ x64: 'amd64', arm64: 'arm64' }) as const)[process.arch as 'x64' | 'arm64'];
