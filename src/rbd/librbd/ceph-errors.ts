/** Ceph's negative errno values as errors of the catalogue, and how those cross from the worker to the parent. */
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { berthError, isErrorCode } from '../../model/errors.js';
import { isUnknownKeyType, NEW_KEY_NEEDS, newKeyType } from '../../model/cephx.js';
import type { BerthError, ErrorCode, ErrorParams } from '../../model/errors.js';

const { errno } = constants;

/** An error as plain data: what an IPC message can carry. */
export interface WireError {
  readonly code: ErrorCode;
  readonly params: Readonly<Record<string, string | number | bigint>>;
}

/** An error of the catalogue inside the worker, not yet a sentence. */
export class Refusal extends Error {
  readonly wire: WireError;

  constructor(wire: WireError) {
    super(wire.code);
    this.wire = wire;
  }
}

/** Make (not throw) the refusal `code`. */
export const refusalError = <C extends ErrorCode>(code: C, params: ErrorParams<C>): Refusal =>
  new Refusal({ code, params });

/** A Ceph call answered a negative errno; what that means depends on who called. */
export class CephErrno extends Error {
  /** Positive, as in errno.h. */
  readonly errno: number;
  /** The call, for the log and for BERTH_CEPH_ERROR. */
  readonly what: string;

  constructor(result: number, what: string) {
    super(`${what}: ${describe(-result)}`);
    this.errno = -result;
    this.what = what;
  }

  is(...numbers: number[]): boolean {
    return numbers.includes(this.errno);
  }
}

/** @throws CephErrno where `result` is negative */
export function check(result: number, what: string): number {
  if (result < 0) throw new CephErrno(result, what);
  return result;
}

/** Undefined where Ceph answers ENOENT. */
export async function unlessAbsent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof CephErrno && error.is(ENOENT)) return undefined;
    throw error;
  }
}

export const ENOENT = errno.ENOENT;
export const EEXIST = errno.EEXIST;
export const EINVAL = errno.EINVAL;
export const ENOSYS = errno.ENOSYS;
export const ERANGE = errno.ERANGE;
export const ESTALE = errno.ESTALE;
export const ETIMEDOUT = errno.ETIMEDOUT;
export const EBUSY = errno.EBUSY;
export const EROFS = errno.EROFS;
export const EMLINK = errno.EMLINK;
export const EOPNOTSUPP = errno.EOPNOTSUPP;
export const EPERM = errno.EPERM;
export const EACCES = errno.EACCES;
export const ENOTEMPTY = errno.ENOTEMPTY;
export const ECANCELED = errno.ECANCELED;
/** Ceph's EBLOCKLISTED: the cluster does not want this client instance any more. */
export const EBLOCKLISTED = 108;

const BREAKS_CONNECTION = new Set<number>([EBLOCKLISTED, errno.ENOTCONN, errno.ETIMEDOUT]);

/** Must the connection that gave this error be given up? */
export const losesConnection = (error: unknown): boolean =>
  error instanceof CephErrno && BREAKS_CONNECTION.has(error.errno);

/** Who and where, for the sentence. */
export interface CallSite {
  readonly cluster: string;
  readonly user: string;
  readonly pool?: string;
  /** `pool[/namespace]/image` */
  readonly image?: string;
}

/** `ENOSPC (no space left on device)`. */
function describe(number: number): string {
  const known = getSystemErrorMap().get(-number);
  return known === undefined ? `errno ${number}` : `${known[0]} (${known[1]})`;
}

/** Why the cluster could not be connected to, by a user and a key that can be such, and by addresses. */
export function connectRefusal(error: CephErrno, { cluster, user, key }: CallSite & { readonly key: string }): Refusal {
  const type = newKeyType(key);
  if (type !== undefined && (error.is(errno.EINVAL) || isUnknownKeyType(key))) {
    const why = `its key is of ${type}, which the librados of this machine does not know (${NEW_KEY_NEEDS})`;
    return refusalError('BERTH_CREDENTIALS_INVALID', { cluster, user, why });
  }
  if (error.is(errno.EACCES, errno.EPERM, errno.EOPNOTSUPP))
    return refusalError('BERTH_CLUSTER_AUTH_FAILED', { cluster, user });
  const why = error.is(errno.ETIMEDOUT)
    ? 'no monitor answered in time'
    : error.is(errno.ENOENT, errno.EINVAL)
      ? `${describe(error.errno)}: librados takes none of its monitor addresses, or not the key`
      : describe(error.errno);
  return refusalError('BERTH_CLUSTER_UNREACHABLE', { cluster, why });
}

/** What a failed operation means where its own code knows no better. */
export function operationRefusal(error: CephErrno, scene: CallSite): Refusal {
  const { cluster, user, pool = '', image = pool } = scene;
  switch (error.errno) {
    case errno.EACCES:
    case errno.EPERM:
      return refusalError('BERTH_CEPH_DENIED', { user, what: `${error.what} in ${image}` });
    case EBLOCKLISTED:
      return refusalError('BERTH_CLIENT_EVICTED', { cluster });
    case errno.ENOTCONN:
    case errno.ETIMEDOUT:
      return refusalError('BERTH_CLUSTER_UNREACHABLE', { cluster, why: `${error.what}: ${describe(error.errno)}` });
    case errno.ENOSPC:
    case errno.EDQUOT:
      return refusalError('BERTH_CEPH_FULL', { pool });
    case EBUSY:
      return refusalError('BERTH_IMAGE_BUSY', { image, why: error.what });
    default:
      return refusalError('BERTH_CEPH_ERROR', { what: `${error.what} of ${image}`, why: describe(error.errno) });
  }
}

/** Anything thrown in the worker as data. */
export function toWire(error: unknown, scene: CallSite): WireError {
  if (error instanceof Refusal) return error.wire;
  if (error instanceof CephErrno) return operationRefusal(error, scene).wire;
  return {
    code: 'BERTH_INTERNAL',
    params: { what: `librbd worker: ${error instanceof Error ? error.message : String(error)}` },
  };
}

/** The parent's side of {@link toWire}. */
export function fromWire({ code, params }: WireError): BerthError {
  if (!isErrorCode(code)) return berthError('BERTH_INTERNAL', { what: `librbd worker answered ${String(code)}` });
  return berthError(code, params as ErrorParams<ErrorCode>);
}
