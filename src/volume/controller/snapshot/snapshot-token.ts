/**
 * Where a list of snapshots goes on: behind which snapshot of which image, as
 * `<letters of the place>/<image id>@<snapshot id>/<image name>`. Nothing is remembered.
 * The contract allows a token 128 bytes.
 */
import { berthError } from '../../../model/errors.js';
import { MAX_ID_BYTES } from '../../../model/volume-id.js';
import type { PoolRef } from '../../../rbd/port.js';
import { lettersOf } from '../list/list-token.js';

export interface SnapshotPosition {
  /** Index of the place in the list of all of them. */
  readonly index: number;
  readonly imageId: string;
  readonly snapshotId: bigint;
  /** Undefined where it is too long for a token: it is to be looked up by the id. */
  readonly image: string | undefined;
}

/** More than any snapshot's id: behind all of an image. */
export const LAST_OF_IMAGE = 0xffff_ffff_ffff_ffffn;

const FORM = /^([\w-]{4})\/([0-9a-z]{1,32})@(\d{1,20})\/(.*)$/s;

export function formatSnapshotToken(places: readonly PoolRef[], position: SnapshotPosition): string {
  const { index, imageId, snapshotId, image = '' } = position;
  const start = `${lettersOf(places)[index] ?? ''}/${imageId}@${snapshotId}/`;
  return Buffer.byteLength(start + image) <= MAX_ID_BYTES ? start + image : start;
}

/** Undefined for no token. BERTH_TOKEN_INVALID for one that is none of ours, or of a place that is not listed now. */
export function parseSnapshotToken(places: readonly PoolRef[], token: string): SnapshotPosition | undefined {
  if (token === '') return undefined;
  const [, letters = '', imageId = '', snapshotId = '', image = ''] = FORM.exec(token) ?? [];
  const index = lettersOf(places).indexOf(letters);
  if (index < 0) throw tokenError(token);
  return { index, imageId, snapshotId: BigInt(snapshotId), image: image === '' ? undefined : image };
}

export const tokenError = (token: string): Error => berthError('BERTH_TOKEN_INVALID', { token: token.slice(0, 40) });
