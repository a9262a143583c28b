/** How the text of an option becomes its value; each refuses with BERTH_USAGE, which names the option. */
import { usageError } from './usage-error.js';

/** @param where the option or the variable that the text comes from, for the error */
export type Reader<T> = (text: string, where: string) => T;

export const asText: Reader<string> = (text) => text;

/** An empty text stands for nothing. */
export const textOrNone: Reader<string | undefined> = (text) => (text === '' ? undefined : text);

/** What stands in keys and sentences; an empty text stands for nothing. */
export const identifier: Reader<string | undefined> = (text, where) => {
  if (text === '' || /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)) return text === '' ? undefined : text;
  throw usageError(where, `"${text}" is not 1 to 64 of A-Z a-z 0-9 . _ - with a letter or digit first`);
};

export const absolutePath: Reader<string> = (text, where) => {
  if (!text.startsWith('/')) throw usageError(where, `"${text}" is not an absolute path`);
  return text;
};

export function wholeNumber(least: number): Reader<number> {
  const wanted = least === 1 ? 'above zero' : `from ${least}`;
  return (text, where) => {
    const number = Number(text);
    if (text.trim() === '' || !Number.isInteger(number) || number < least)
      throw usageError(where, `"${text}" is no whole number ${wanted}`);
    return number;
  };
}

export function oneOf<T extends string>(all: readonly T[]): Reader<T> {
  return (text, where) => {
    const found = all.find((one) => one === text.trim());
    if (found === undefined) throw usageError(where, `"${text}" is none of ${all.join(', ')}`);
    return found;
  };
}

/** Separated by commas; what is between two of them may be empty. */
export const listOf =
  <T>(read: Reader<T>): Reader<readonly T[]> =>
  (text, where) =>
    text.split(',').map((one) => read(one, where));
