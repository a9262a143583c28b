/**
 * Where a list goes on: four letters for the place, and the name of the last image that was passed. The contract allows
 * 128 bytes, the longest handle has a name of 124.
 */
import { createHash } from 'node:crypto';
import { berthError } from '../../../model/errors.js';
import type { PoolRef } from '../../../rbd/port.js';

const LETTERS = 4;
const NAME_BYTES = 124;

/**
 * Can a page end at this image? An image that no handle can name may have a name that no token can carry. A slash tells
 * a token of the list of snapshots.
 */
export const canEndAt = (image: string): boolean => Buffer.byteLength(image) <= NAME_BYTES && !image.includes('/');

/** @param after '' for the place's first image */
export function formatListToken(places: readonly PoolRef[], index: number, after: string): string {
  return `${lettersOf(places)[index] ?? ''}${after}`;
}

/** BERTH_TOKEN_INVALID for one that is none of ours, and for a place that is not listed any more. */
export function parseListToken(
  places: readonly PoolRef[],
  token: string,
): { readonly index: number; readonly after: string } {
  if (token === '') return { index: 0, after: '' };
  const index = lettersOf(places).indexOf(token.slice(0, LETTERS));
  if (index < 0 || !canEndAt(token.slice(LETTERS))) {
    throw berthError('BERTH_TOKEN_INVALID', { token: token.slice(0, 40) });
  }
  return { index, after: token.slice(LETTERS) };
}

/** Different for each of them, and the same for every call with the same clusters file. */
export function lettersOf(places: readonly PoolRef[]): readonly string[] {
  const used = new Set<string>();
  return places.map(({ access: { cluster }, pool, namespace }) => {
    for (let text = JSON.stringify([cluster, pool, namespace]); ; text += '+') {
      const letters = createHash('sha256').update(text).digest('base64url').slice(0, LETTERS);
      if (used.has(letters)) continue;
      used.add(letters);
      return letters;
    }
  });
}
