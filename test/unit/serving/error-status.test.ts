/** Every error of the catalogue has a gRPC status; everything else is INTERNAL and says little. */
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { asBerthError, causes, toStatus } from '../../../src/serving/error-status.js';
import { BerthError, catalogue, type ErrorCode, berthError } from '../../../src/model/errors.js';

describe('toStatus', () => {
  it.each(Object.keys(catalogue) as ErrorCode[])('%s has its number, a message, and no metadata', (code) => {
    const answer = toStatus(new BerthError(code, `${code}: text`, undefined));
    expect(answer.code).toBe(status[catalogue[code].status]);
    expect(answer.code).toBeGreaterThan(0);
    expect(answer.details).toBe(`${code}: text`);
    expect(answer.metadata.getMap()).toEqual({});
  });

  it('never says nothing', () => {
    expect(toStatus(new BerthError('BERTH_BUSY', '', undefined)).details).toBe('BERTH_BUSY');
  });

  it('cuts a long message, and leaves text that can be percent-encoded', () => {
    const answer = toStatus(new BerthError('BERTH_BUSY', '\u{1f4a5}'.repeat(5000), undefined));
    expect(answer.details.length).toBeLessThan(2100);
    expect(() => encodeURI(answer.details)).not.toThrow();
    expect(() => encodeURI(toStatus(new BerthError('BERTH_BUSY', 'x\ud800y', undefined)).details)).not.toThrow();
  });
});

describe('asBerthError', () => {
  it('keeps an error of the catalogue', () => {
    const error = berthError('BERTH_NOT_READY', { why: 'starting' });
    expect(asBerthError(error)).toBe(error);
  });

  it.each([
    ['an Error', new TypeError('x is not a function\n    at somewhere.js:1'), 'x is not a function'],
    ['an Error without text', new RangeError(''), 'RangeError'],
    ['a string', 'boom', 'boom'],
    ['nothing', undefined, 'an unexpected failure'],
    ['an object', { secret: 1 }, 'an unexpected failure'],
  ])('makes BERTH_INTERNAL of %s, one line, no stack', (_what, thrown, says) => {
    const error = asBerthError(thrown);
    expect(error.code).toBe('BERTH_INTERNAL');
    expect(error.message).toMatch(new RegExp(`^BERTH_INTERNAL: ${says}; `));
    expect(error.message).not.toContain('\n');
    expect(error.message).not.toContain('.js');
  });
});

describe('causes', () => {
  it('lists the chain, nearest first', () => {
    const root = new Error('EIO');
    const error = berthError('BERTH_NOT_READY', { why: 'x' }, new Error('read failed', { cause: root }));
    expect(causes(error)).toEqual(['Error: read failed', 'Error: EIO']);
  });

  it('ends on a circle and shows what is no Error', () => {
    const circle = new Error('again');
    circle.cause = circle;
    expect(causes(berthError('BERTH_NOT_READY', { why: 'x' }, circle))).toHaveLength(5);
    expect(causes(berthError('BERTH_NOT_READY', { why: 'x' }, { errno: -2 }))).toEqual(['{ errno: -2 }']);
  });
});
