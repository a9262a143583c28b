/**
 * What a look at the machine or a cluster found: a name that stays, a level, and a sentence that says what is wrong and
 * what to do.
 */

/**
 * `failed`: Berth cannot do its work (or some of it, as the sentence says).
 * `warning`: it can, but somebody will be sorry.
 */
export type Level = 'ok' | 'warning' | 'failed';

export interface Finding {
  /** Stable, for alerts: `state-directory`. */
  readonly name: string;
  readonly level: Level;
  /** Where it is not ok: what is wrong, then what to do. */
  readonly says: string;
}

/** The worst of them; `ok` where there is none. */
export function worst(findings: readonly Finding[]): Level {
  const has = (level: Level): boolean => findings.some((one) => one.level === level);
  return has('failed') ? 'failed' : has('warning') ? 'warning' : 'ok';
}
