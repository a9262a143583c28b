/** Which requests are the same, which may run beside each other, and where those of a key are kept. */

export interface What<Op extends string = string> {
  readonly op: Op;
  readonly fingerprint: string;
  /**
   * The part of the key that it is about (a node's share in a volume): it runs beside those of other parts. Undefined
   * for all of it, beside which nothing runs.
   */
  readonly part?: string;
  /** True where nobody asked for it: a caller waits a while for its end instead of being refused. */
  readonly background?: boolean;
  /** True where it may begin beside a child that an earlier one left: it is what that child waits for. */
  readonly besideStraggler?: boolean;
}

/** Does one answer serve both? */
export const isSame = (one: What, other: What): boolean => one.op === other.op && one.fingerprint === other.fingerprint;

/** May they not run beside each other? */
export const excludes = ({ part: one }: What, { part: other }: What): boolean =>
  one === undefined || other === undefined || one === other;

export const inTheWay = <T extends What>(all: readonly T[] | undefined, what: What): T | undefined =>
  all?.find((one) => excludes(one, what));

/** Puts the key behind all others; a key of nothing is gone. */
export function change<T>(of: Map<string, readonly T[]>, key: string, next: (all: readonly T[]) => readonly T[]): void {
  const all = next(of.get(key) ?? []);
  of.delete(key);
  if (all.length > 0) of.set(key, all);
}
