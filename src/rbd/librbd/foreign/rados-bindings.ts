/** The C declarations of librados, as far as Berth uses it. */
import { bind, bindOptional, openLibrary } from './c-functions.js';
import type { Address, Handle, Library } from './c-functions.js';

export type ClusterHandle = Handle<'rados_t'>;
export type Ioctx = Handle<'rados_ioctx_t'>;
export type ReadOp = Handle<'rados_read_op_t'>;
export type WriteOp = Handle<'rados_write_op_t'>;

/** Clusters, monitors, our own identity. */
const bindConnection = (lib: Library) => ({
  create: bind<[out: Address, cluster: string, user: string, flags: bigint], number>(
    lib,
    'int rados_create2(void *, const char *, const char *, uint64_t)',
  ),
  configure: bind<[ClusterHandle, option: string, value: string], number>(
    lib,
    'int rados_conf_set(void *, const char *, const char *)',
  ),
  connect: bind<[ClusterHandle], number>(lib, 'int rados_connect(void *)'),
  shutdown: bind<[ClusterHandle], undefined>(lib, 'void rados_shutdown(void *)'),
  fsid: bind<[ClusterHandle, out: Address, bytes: number], number>(
    lib,
    'int rados_cluster_fsid(void *, void *, size_t)',
  ),
  // Missing in some 14.2 builds.
  addresses: bindOptional<[ClusterHandle, out: Address], number>(lib, 'int rados_getaddrs(void *, void *)'),
  instanceId: bind<[ClusterHandle], number | bigint>(lib, 'uint64_t rados_get_instance_id(void *)'),
  freeBuffer: bind<[Address], undefined>(lib, 'void rados_buffer_free(void *)'),
  waitForMap: bind<[ClusterHandle], number>(lib, 'int rados_wait_for_latest_osdmap(void *)'),
  monCommand: bind<
    [
      ClusterHandle,
      commands: Address,
      count: number,
      input: null,
      inputBytes: number,
      out: Address,
      outBytes: Address,
      status: Address,
      statusBytes: Address,
    ],
    number
  >(lib, 'int rados_mon_command(void *, void *, size_t, const void *, size_t, void *, void *, void *, void *)'),
});

/** Pools and namespaces. */
const bindPool = (lib: Library) => ({
  poolId: bind<[ClusterHandle, pool: string], number | bigint>(lib, 'int64_t rados_pool_lookup(void *, const char *)'),
  poolName: bind<[ClusterHandle, pool: bigint, out: Address, bytes: number], number>(
    lib,
    'int rados_pool_reverse_lookup(void *, int64_t, void *, size_t)',
  ),
  openPool: bind<[ClusterHandle, pool: string, out: Address], number>(
    lib,
    'int rados_ioctx_create(void *, const char *, void *)',
  ),
  setNamespace: bind<[Ioctx, namespace: string], undefined>(
    lib,
    'void rados_ioctx_set_namespace(void *, const char *)',
  ),
  // Without it a full pool makes writers wait instead of telling them; its name changed with version 15.
  failWhenFull:
    bindOptional<[Ioctx], undefined>(lib, 'void rados_set_pool_full_try(void *)') ??
    bindOptional<[Ioctx], undefined>(lib, 'void rados_set_osdmap_full_try(void *)'),
  // True for an erasure coded pool without overwrites; from our own map of the cluster, nobody is asked.
  needsWholeWrites: bind<[Ioctx, out: Address], number>(
    lib,
    'int rados_ioctx_pool_requires_alignment2(void *, void *)',
  ),
  /** ENOENT where the object is not there; its size and time are written to two cells. */
  stat: bind<[Ioctx, object: string, size: Address, time: Address], number>(
    lib,
    'int rados_stat(void *, const char *, void *, void *)',
  ),
  poolIdOf: bind<[Ioctx], number | bigint>(lib, 'int64_t rados_ioctx_get_id(void *)'),
  closePool: bind<[Ioctx], undefined>(lib, 'void rados_ioctx_destroy(void *)'),
});

/** Compound read operations. */
const bindRead = (lib: Library) => ({
  newRead: bind<[], ReadOp>(lib, 'void *rados_create_read_op()'),
  releaseRead: bind<[ReadOp], undefined>(lib, 'void rados_release_read_op(void *)'),
  readExec: bind<
    [
      ReadOp,
      cls: string,
      method: string,
      input: Uint8Array,
      inputBytes: number,
      out: Address,
      outBytes: Address,
      result: null,
    ],
    undefined
  >(lib, 'void rados_read_op_exec(void *, const char *, const char *, const void *, size_t, void *, void *, void *)'),
  readKeys: bind<[ReadOp, keys: Address, count: number, lengths: Address, iterator: Address, result: null], undefined>(
    lib,
    'void rados_read_op_omap_get_vals_by_keys2(void *, void *, size_t, void *, void *, void *)',
  ),
  readPage: bind<
    [ReadOp, after: string, prefix: string, max: bigint, iterator: Address, more: Address, result: null],
    undefined
  >(lib, 'void rados_read_op_omap_get_vals2(void *, const char *, const char *, uint64_t, void *, void *, void *)'),
  nextEntry: bind<[iterator: Address, key: Address, value: Address, keyBytes: Address, valueBytes: Address], number>(
    lib,
    'int rados_omap_get_next2(void *, void *, void *, void *, void *)',
  ),
  endEntries: bind<[iterator: Address], undefined>(lib, 'void rados_omap_get_end(void *)'),
  read: bind<[ReadOp, Ioctx, object: string, flags: number], number>(
    lib,
    'int rados_read_op_operate(void *, void *, const char *, int)',
  ),
});

/** What asks those who watch an object. */
const bindNotify = (lib: Library) => ({
  notify: bind<
    [Ioctx, object: string, message: string, bytes: number, timeoutMs: bigint, reply: Address, replyBytes: Address],
    number
  >(lib, 'int rados_notify2(void *, const char *, const char *, int, uint64_t, void *, void *)'),
});

/** Compound write operations. */
const bindWrite = (lib: Library) => ({
  newWrite: bind<[], WriteOp>(lib, 'void *rados_create_write_op()'),
  releaseWrite: bind<[WriteOp], undefined>(lib, 'void rados_release_write_op(void *)'),
  mustExist: bind<[WriteOp], undefined>(lib, 'void rados_write_op_assert_exists(void *)'),
  createObject: bind<[WriteOp, exclusive: number, category: null], undefined>(
    lib,
    'void rados_write_op_create(void *, int, const char *)',
  ),
  removeObject: bind<[WriteOp], undefined>(lib, 'void rados_write_op_remove(void *)'),
  mustContain: bind<[WriteOp, bytes: Uint8Array, length: number, offset: bigint, result: null], undefined>(
    lib,
    'void rados_write_op_cmpext(void *, const void *, size_t, uint64_t, void *)',
  ),
  writeExec: bind<
    [WriteOp, cls: string, method: string, input: Uint8Array, inputBytes: number, result: null],
    undefined
  >(lib, 'void rados_write_op_exec(void *, const char *, const char *, const void *, size_t, void *)'),
  mustEqual: bind<
    [WriteOp, key: Uint8Array, operator: number, value: Uint8Array, keyBytes: number, valueBytes: number, result: null],
    undefined
  >(lib, 'void rados_write_op_omap_cmp2(void *, const void *, uint8_t, const void *, size_t, size_t, void *)'),
  setEntries: bind<
    [WriteOp, keys: Address, values: Address, keyLengths: Address, valueLengths: Address, count: number],
    undefined
  >(lib, 'void rados_write_op_omap_set2(void *, void *, void *, void *, void *, size_t)'),
  removeEntries: bind<[WriteOp, keys: Address, lengths: Address, count: number], undefined>(
    lib,
    'void rados_write_op_omap_rm_keys2(void *, void *, void *, size_t)',
  ),
  write: bind<[WriteOp, Ioctx, object: string, mtime: null, flags: number], number>(
    lib,
    'int rados_write_op_operate2(void *, void *, const char *, void *, int)',
  ),
});

/** @throws BERTH_LIBRARY_MISSING */
export function bindRados() {
  const lib = openLibrary('librados.so.2');
  return { ...bindConnection(lib), ...bindPool(lib), ...bindRead(lib), ...bindWrite(lib), ...bindNotify(lib) };
}
