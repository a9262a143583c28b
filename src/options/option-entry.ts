/** What the table of options has of each: flag, environment variable, default, reader and help. */
import type { Reader } from './option-values.js';

export interface OptionEntry<T> {
  /** Without the two dashes. */
  readonly flag: string;
  /** Read where the flag is not given. */
  readonly variable: string;
  /** The text that is read where neither is given; undefined: the option is then undefined. */
  readonly fallback: string | undefined;
  /** What stands for its value in the help. */
  readonly value: string;
  /** For completion: the values that there are, where they can be listed. */
  readonly choices: readonly string[];
  readonly help: string;
  readonly read: Reader<T>;
}

interface Written<T> {
  readonly flag: string;
  readonly variable: string;
  readonly value: string;
  readonly choices?: readonly string[];
  readonly help: string;
  readonly read: Reader<T>;
}

/** One with a default. */
export const option = <T>(written: Written<T> & { readonly fallback: string }): OptionEntry<T> => ({
  choices: [],
  ...written,
});
/** One that is undefined where nobody gives it. */
export const optional = <T>(written: Written<T>): OptionEntry<T | undefined> => ({
  choices: [],
  fallback: undefined,
  ...written,
});
