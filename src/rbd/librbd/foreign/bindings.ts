/** Ceph's C libraries, version 14.2 (Nautilus) and newer; loaded when they are first needed, never at import. */
import { readClientVersion, tellsParents } from './client-version.js';
import { bindRados } from './rados-bindings.js';
import { bindRbd } from './rbd-bindings.js';

export type { ClusterHandle as Cluster, Ioctx, ReadOp, WriteOp } from './rados-bindings.js';
export type { ImageHandle as Image, ImageOptions } from './rbd-bindings.js';

/** @throws BERTH_LIBRARY_MISSING */
export const loadCeph = () => ({ rados: bindRados(), rbd: bindRbd(), tellsParents: tellsParents(readClientVersion()) });

export type CephLibraries = ReturnType<typeof loadCeph>;
