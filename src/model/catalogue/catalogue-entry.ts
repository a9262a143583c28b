/** One entry of the catalogue of errors: a status, a sentence and an advice, typed by their placeholders. */

/** gRPC status names of the CSI specification; chosen by what the sidecars do with them (docs/errors.md). */
export type StatusName =
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'UNAUTHENTICATED';

export interface CatalogueEntry<S extends string, T extends string> {
  readonly status: StatusName;
  /** What is wrong, with {placeholders}. */
  readonly says: S;
  /** What the reader should do about it, with {placeholders} too. */
  readonly todo: T;
}

export const entry = <const S extends string, const T extends string>(
  status: StatusName,
  says: S,
  todo: T,
): CatalogueEntry<S, T> => ({
  status,
  says,
  todo,
});
