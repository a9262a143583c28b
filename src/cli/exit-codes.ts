/** With what `berth` ends: three codes, whatever the command. Scripts rely on them. */
import type { Level } from '../model/finding.js';

export const EXIT_CODES = {
  /** It did what was asked, and there is nothing to tell. */
  well: 0,
  /** It could not, or what it examined fails; also a command line that cannot be read. */
  failed: 1,
  /** It did what was asked, and somebody has to see to what it found. */
  attention: 2,
} as const;

export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];

export const EXIT_CODE_OF_LEVEL: Readonly<Record<Level, ExitCode>> = {
  ok: EXIT_CODES.well,
  warning: EXIT_CODES.attention,
  failed: EXIT_CODES.failed,
};
