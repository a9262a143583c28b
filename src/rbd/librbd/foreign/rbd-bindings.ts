/** The C declarations of librbd, as far as Berth uses it. */
import { bind, callbackType, openLibrary } from './c-functions.js';
import type { Address, Handle, Library } from './c-functions.js';
import { bindProgress } from './progress.js';
import { bindQuiesce } from './quiesce.js';
import type { Ioctx } from './rados-bindings.js';

export type ImageHandle = Handle<'rbd_image_t'>;
export type ImageOptions = Handle<'rbd_image_options_t'>;

/**
 * Called with each extent of a diff: offset, length, whether it exists;
 * a negative answer ends the diff with that errno.
 */
export type ExtentCallback = (offset: number | bigint, length: number | bigint, exists: number) => number;

/** What works on a pool. */
const bindPool = (lib: Library) => ({
  newOptions: bind<[out: Address], undefined>(lib, 'void rbd_image_options_create(void *)'),
  freeOptions: bind<[ImageOptions], undefined>(lib, 'void rbd_image_options_destroy(void *)'),
  setNumber: bind<[ImageOptions, option: number, value: bigint], number>(
    lib,
    'int rbd_image_options_set_uint64(void *, int, uint64_t)',
  ),
  setText: bind<[ImageOptions, option: number, value: string], number>(
    lib,
    'int rbd_image_options_set_string(void *, int, const char *)',
  ),
  create: bind<[Ioctx, name: string, sizeBytes: bigint, ImageOptions], number>(
    lib,
    'int rbd_create4(void *, const char *, uint64_t, void *)',
  ),
  remove: bind<[Ioctx, name: string, progress: Address, call: bigint], number>(
    lib,
    'int rbd_remove_with_progress(void *, const char *, void *, uint64_t)',
  ),
  clone: bind<[parent: Ioctx, name: string, snapshot: string, child: Ioctx, name: string, ImageOptions], number>(
    lib,
    'int rbd_clone3(void *, const char *, const char *, void *, const char *, void *)',
  ),
  namespaceExists: bind<[Ioctx, namespace: string, out: Address], number>(
    lib,
    'int rbd_namespace_exists(void *, const char *, void *)',
  ),
});

/** What works on an open image. */
const bindImage = (lib: Library) => ({
  open: bind<[Ioctx, name: string, out: Address, snapshot: null], number>(
    lib,
    'int rbd_open(void *, const char *, void *, const char *)',
  ),
  openReadOnly: bind<[Ioctx, name: string, out: Address, snapshot: null], number>(
    lib,
    'int rbd_open_read_only(void *, const char *, void *, const char *)',
  ),
  openById: bind<[Ioctx, id: string, out: Address, snapshot: null], number>(
    lib,
    'int rbd_open_by_id(void *, const char *, void *, const char *)',
  ),
  openByIdReadOnly: bind<[Ioctx, id: string, out: Address, snapshot: null], number>(
    lib,
    'int rbd_open_by_id_read_only(void *, const char *, void *, const char *)',
  ),
  close: bind<[ImageHandle], number>(lib, 'int rbd_close(void *)'),
  size: bind<[ImageHandle, out: Address], number>(lib, 'int rbd_get_size(void *, void *)'),
  features: bind<[ImageHandle, out: Address], number>(lib, 'int rbd_get_features(void *, void *)'),
  stripeUnit: bind<[ImageHandle, out: Address], number>(lib, 'int rbd_get_stripe_unit(void *, void *)'),
  stripeCount: bind<[ImageHandle, out: Address], number>(lib, 'int rbd_get_stripe_count(void *, void *)'),
  dataPool: bind<[ImageHandle], number | bigint>(lib, 'int64_t rbd_get_data_pool_id(void *)'),
  parent: bind<[ImageHandle, image: Address, snapshot: Address], number>(
    lib,
    'int rbd_get_parent(void *, void *, void *)',
  ),
  freeImageSpec: bind<[Address], undefined>(lib, 'void rbd_linked_image_spec_cleanup(void *)'),
  freeSnapshotSpec: bind<[Address], undefined>(lib, 'void rbd_snap_spec_cleanup(void *)'),
  read: bind<[ImageHandle, offset: bigint, bytes: bigint, out: Address], number | bigint>(
    lib,
    'int64_t rbd_read(void *, uint64_t, size_t, void *)',
  ),
  watchers: bind<[ImageHandle, out: Address, room: Address], number>(
    lib,
    'int rbd_watchers_list(void *, void *, void *)',
  ),
  freeWatchers: bind<[Address, count: bigint], undefined>(lib, 'void rbd_watchers_list_cleanup(void *, size_t)'),
  resize: bind<[ImageHandle, sizeBytes: bigint, allowShrink: number, progress: Address, call: bigint], number>(
    lib,
    'int rbd_resize2(void *, uint64_t, uint8_t, void *, uint64_t)',
  ),
  diff: bind<
    [
      ImageHandle,
      fromSnapshot: string | null,
      offset: bigint,
      bytes: bigint,
      includeParent: number,
      wholeObject: number,
      ExtentCallback,
      arg: null,
    ],
    number
  >(
    lib,
    'int rbd_diff_iterate2(void *, const char *, uint64_t, uint64_t, uint8_t, uint8_t, berth_extent_cb *, void *)',
  ),
  progress: bindProgress(),
});

/** Snapshots of an open image. */
const bindSnapshots = (lib: Library) => ({
  snapshots: bind<[ImageHandle, out: Address, room: Address], number>(lib, 'int rbd_snap_list(void *, void *, void *)'),
  freeSnapshots: bind<[Address], undefined>(lib, 'void rbd_snap_list_end(void *)'),
  createSnapshot: bind<[ImageHandle, name: string], number>(lib, 'int rbd_snap_create(void *, const char *)'),
  removeSnapshot: bind<[ImageHandle, name: string], number>(lib, 'int rbd_snap_remove(void *, const char *)'),
  rollBack: bind<[ImageHandle, snapshot: string, progress: Address, call: bigint], number>(
    lib,
    'int rbd_snap_rollback_with_progress(void *, const char *, void *, uint64_t)',
  ),
  snapshotId: bind<[ImageHandle, name: string, out: Address], number>(
    lib,
    'int rbd_snap_get_id(void *, const char *, void *)',
  ),
  snapshotName: bind<[ImageHandle, id: bigint, out: Address, room: Address], number>(
    lib,
    'int rbd_snap_get_name(void *, uint64_t, void *, void *)',
  ),
  /** Reads of this image handle are reads of that snapshot from then on. */
  goToSnapshot: bind<[ImageHandle, id: bigint], number>(lib, 'int rbd_snap_set_by_id(void *, uint64_t)'),
  removeSnapshotById: bind<[ImageHandle, id: bigint], number>(lib, 'int rbd_snap_remove_by_id(void *, uint64_t)'),
});

/** What stands on an open image, what it belongs to, and how less of it is left. */
const bindKin = (lib: Library) => ({
  /** Of the snapshot that the handle is at; 0 where object map and fast-diff are in order. */
  flags: bind<[ImageHandle, out: Address], number>(lib, 'int rbd_get_flags(void *, void *)'),
  /** How many of its first bytes are its parent's where it has none of its own. */
  overlap: bind<[ImageHandle, out: Address], number>(lib, 'int rbd_get_overlap(void *, void *)'),
  /** Unlike rbd_resize2 it shrinks unasked, and calls nobody for each object. */
  resizeAnyWay: bind<[ImageHandle, sizeBytes: bigint], number>(lib, 'int rbd_resize(void *, uint64_t)'),
  children: bind<[ImageHandle, out: Address, room: Address], number>(
    lib,
    'int rbd_list_children3(void *, void *, void *)',
  ),
  freeChildren: bind<[Address, count: bigint], undefined>(
    lib,
    'void rbd_linked_image_spec_list_cleanup(void *, size_t)',
  ),
  group: bind<[ImageHandle, out: Address, bytes: number], number>(lib, 'int rbd_get_group(void *, void *, size_t)'),
  freeGroup: bind<[Address, bytes: number], number>(lib, 'int rbd_group_info_cleanup(void *, size_t)'),
});

/** @throws BERTH_LIBRARY_MISSING */
export function bindRbd() {
  const lib = openLibrary('librbd.so.1');
  callbackType('int berth_extent_cb(uint64_t offset, size_t length, int exists, void *arg)');
  return { ...bindPool(lib), ...bindImage(lib), ...bindSnapshots(lib), ...bindKin(lib), ...bindQuiesce(lib) };
}
