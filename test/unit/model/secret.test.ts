/** A secret shows stars however it is looked at. */
import { Console } from 'node:console';
import { Writable } from 'node:stream';
import { format, inspect } from 'node:util';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { berthError } from '../../../src/model/errors.js';
import { Secret } from '../../../src/model/secret.js';

const VALUE = 'AQBnotforyoureyes==';
const secret = new Secret(VALUE);

const into = (write: (sink: Writable) => void): string => {
  let text = '';
  write(
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        text += chunk.toString();
        done();
      },
    }),
  );
  return text;
};

describe('a secret', () => {
  it.each<[string, () => string]>([
    ['String()', () => String(secret)],
    ['joined text', () => ['key=', secret].join('')],
    ['added text', () => 'key='.concat(String(secret), secret.toString())],
    ['JSON', () => JSON.stringify({ key: secret, list: [secret] })],
    ['inspect', () => inspect({ deep: { key: secret } }, { depth: 9, showHidden: true })],
    ['inspect without custom inspection', () => inspect(secret, { customInspect: false, showHidden: true })],
    ['format', () => format('%s %o %O %j', secret, secret, secret, secret)],
    ['keys', () => JSON.stringify([Object.entries(secret), Reflect.ownKeys(secret)])],
    ['a copy', () => inspect(structuredClone(Object.assign({}, secret))) + inspect(Object.create(secret))],
    ['the console', () => into((sink) => new Console(sink).log(secret, { secret }))],
    ['the log', () => into((sink) => pino({}, sink).info({ secret, nested: { secret } }, 'x'))],
    ['an error text', () => berthError('BERTH_SECRETS_INVALID', { why: String(secret) }).message],
    ['an Error cause', () => inspect(new Error('x', { cause: secret }))],
  ])('does not show itself in %s', (_where, look) => {
    const seen = look();
    expect(seen).not.toBe('');
    expect(seen).not.toContain(VALUE);
  });

  it('prints as stars and gives itself only when asked by name', () => {
    expect([String(secret), JSON.stringify(secret), inspect(secret)]).toEqual(['***', '"***"', '***']);
    expect(secret.reveal()).toBe(VALUE);
  });
});
