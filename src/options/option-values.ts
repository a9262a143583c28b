/** How the text of an option becomes its value; each refuses with BERTH_USAGE, which names the option. */
import { usageError } from './usage-error.js';

/** What a text must look like, where a regular expression tells that JavaScript and Go read alike. */
export interface Form {
  readonly pattern: string;
  /** The rest of a sentence about a text that does not: "is not an absolute path". */
  readonly refusal: string;
}

export interface Reader<T> {
  /** @param where the option or the variable that the text comes from, for the error */
  (text: string, where: string): T;
  /** For those who ask before the driver does (the Helm chart); without one every text is taken. */
  readonly form?: Form;
}

/** A reader that refuses what has not this form. */
export function formed<T>(form: Form, read: (text: string) => T): Reader<T> {
  const pattern = new RegExp(form.pattern);
  const reader = (text: string, where: string): T => {
    if (!pattern.test(text)) throw usageError(where, `"${text}" ${form.refusal}`);
    return read(text);
  };
  return Object.assign(reader, { form });
}

export const asText: Reader<string> = (text) => text;

/** An empty text stands for nothing. */
export const textOrNone: Reader<string | undefined> = (text) => (text === '' ? undefined : text);

/** What stands in keys and sentences; an empty text stands for nothing. */
export const identifier: Reader<string | undefined> = formed(
  {
    pattern: '^$|^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
    refusal: 'is not 1 to 64 of A-Z a-z 0-9 . _ - with a letter or digit first',
  },
  (text) => (text === '' ? undefined : text),
);

/** @param words what it may be instead */
export const absolutePathOr = <T>(words: readonly string[], read: (text: string) => T): Reader<T> =>
  formed({ pattern: `^(/|${words.join('|')}$)`, refusal: 'is not an absolute path' }, read);

export const absolutePath = formed({ pattern: '^/', refusal: 'is not an absolute path' }, (text) => text);

export function wholeNumber(least: 0 | 1): Reader<number> {
  const pattern = least === 0 ? '^ *[0-9]{1,15} *$' : '^ *0*[1-9][0-9]{0,14} *$';
  return formed({ pattern, refusal: `is no whole number ${least === 0 ? 'from 0' : 'above zero'}` }, Number);
}

export function oneOf<T extends string>(all: readonly T[]): Reader<T> {
  const pattern = `^\\s*(${all.join('|')})\\s*$`;
  return formed({ pattern, refusal: `is none of ${all.join(', ')}` }, (text) => text.trim() as T);
}

export const onOrOff: Reader<boolean> = formed(
  { pattern: '^\\s*(on|off)\\s*$', refusal: 'is none of on, off' },
  (text) => text.trim() === 'on',
);

/**
 * Separated by commas, each once.
 * @param always those that are there in any case
 */
export function someOf<T extends string>(all: readonly T[], always: readonly T[]): Reader<readonly T[]> {
  const one = `\\s*(${all.join('|')})\\s*`;
  const form = { pattern: `^${one}(,${one})*$`, refusal: `has what is none of ${all.join(', ')}` };
  return formed(form, (text) => [...new Set([...always, ...text.split(',').map((name) => name.trim() as T)])]);
}

/** Separated by commas; what is between two of them may be empty. */
export const listOf =
  <T>(read: Reader<T>): Reader<readonly T[]> =>
  (text, where) =>
    text.split(',').map((one) => read(one, where));
