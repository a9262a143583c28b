/** Errors of the catalogue: made by code and parameters, told apart by code. */
import { catalogue, type StatusName } from './catalogue/catalogue.js';

export { catalogue, type StatusName } from './catalogue/catalogue.js';

export type ErrorCode = keyof typeof catalogue;

/** Is this text, from another process, one of our codes? */
export const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(catalogue, text);

type Placeholders<S extends string> = S extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholders<Rest>
  : never;
export type ErrorParams<C extends ErrorCode> = Record<
  Placeholders<(typeof catalogue)[C]['says'] | (typeof catalogue)[C]['todo']>,
  string | number | bigint
> &
  Record<string, string | number | bigint>;

/** An error of the catalogue; its message reads `BERTH_<CODE>: what is wrong; what to do`. */
export class BerthError extends Error {
  override readonly name = 'BerthError';
  readonly code: ErrorCode;
  readonly status: StatusName;

  constructor(code: ErrorCode, message: string, cause: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = catalogue[code].status;
  }
}

const fill = (text: string, params: Readonly<Record<string, string | number | bigint>>): string =>
  text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => (name in params ? String(params[name]) : whole));

/** Make (not throw) the catalogue's error `code`; `cause` is kept for the log and never shown to the caller. */
export function berthError<C extends ErrorCode>(code: C, params: ErrorParams<C>, cause?: unknown): BerthError {
  const { says, todo } = catalogue[code];
  return new BerthError(code, `${code}: ${fill(says, params)}; ${fill(todo, params)}`, cause);
}

/** Is this the catalogue's error, optionally one of these codes? */
export function isBerthError(error: unknown, ...codes: ErrorCode[]): error is BerthError {
  return error instanceof BerthError && (codes.length === 0 || codes.includes(error.code));
}
