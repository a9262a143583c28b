/** The catalogue: every code makes a whole sentence, keeps its cause to itself and can be told from other errors. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BerthError,
  catalogue,
  berthError,
  isBerthError,
  isErrorCode,
  type ErrorCode,
} from '../../../src/model/errors.js';

const codes = Object.keys(catalogue) as ErrorCode[];

/** `berthError` with parameters that only the catalogue's own text knows. */
const make = berthError as unknown as (code: ErrorCode, params: Record<string, string>, cause?: unknown) => BerthError;

const placeholdersOf = (code: ErrorCode): string[] => {
  const { says, todo } = catalogue[code];
  return [...`${says} ${todo}`.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
};

describe('the catalogue', () => {
  it.each(codes)('%s reads CODE: what is wrong; what to do, with every placeholder filled', (code) => {
    const params = Object.fromEntries(placeholdersOf(code).map((name) => [name, `<${name}>`]));
    const error = make(code, params);
    expect(error.message).toMatch(new RegExp(`^${code}: .+; .+$`));
    expect(error.message).not.toMatch(/[{}]/);
    for (const name of placeholdersOf(code)) expect(error.message).toContain(`<${name}>`);
    expect(error).toMatchObject({ code, status: catalogue[code].status, name: 'BerthError' });
  });

  it.each(codes)('%s is written in one style: upper case code, one line, no full stop', (code) => {
    const { says, todo } = catalogue[code];
    expect(code).toMatch(/^BERTH(_[A-Z]+)+$/);
    for (const text of [says, todo]) {
      expect(text).not.toBe('');
      expect(text).not.toMatch(/[\n;|]$|\.$|\n/);
    }
  });

  it('never looks into a value for placeholders: whatever a caller sends stands there as it is', () => {
    const value = fc.oneof(fc.string(), fc.constantFrom('{field}', '{why}', '$&', '$1', '{', '}'));
    fc.assert(
      fc.property(value, value, (field, why) => {
        expect(berthError('BERTH_FIELD_INVALID', { field, why }).message).toBe(
          `BERTH_FIELD_INVALID: ${field}: ${why}; correct the request`,
        );
      }),
    );
  });

  it('shows numbers and byte counts in full', () => {
    const { message } = berthError('BERTH_SHRINK_REFUSED', { volume: 'v', size: 2n ** 62n, limit: 1 });
    expect(message).toContain('has 4611686018427387904 bytes and cannot shrink to the limit 1;');
  });
});

describe('an error of the catalogue', () => {
  it('keeps its cause for the log and does not show it', () => {
    const cause = new Error('key AQBsecret== refused');
    const error = berthError('BERTH_SHUTTING_DOWN', {}, cause);
    expect(error.cause).toBe(cause);
    expect(error.message).not.toContain('AQBsecret');
    expect('cause' in berthError('BERTH_SHUTTING_DOWN', {})).toBe(false);
  });

  it('is told from other errors, by code where codes are given', () => {
    const error = berthError('BERTH_DEADLINE', { what: 'x', ms: 1 });
    expect(isBerthError(error)).toBe(true);
    expect(isBerthError(error, 'BERTH_BUSY', 'BERTH_DEADLINE')).toBe(true);
    expect(isBerthError(error, 'BERTH_BUSY')).toBe(false);
    expect(isBerthError(new Error('BERTH_DEADLINE'))).toBe(false);
    expect(isBerthError(undefined)).toBe(false);
  });
});

describe('isErrorCode', () => {
  it('knows the codes and nothing that every object has', () => {
    expect(codes.every(isErrorCode)).toBe(true);
    for (const text of ['', 'toString', '__proto__', 'constructor', 'BUSY']) expect(isErrorCode(text)).toBe(false);
  });
});
