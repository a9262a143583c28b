/** What can be a cephx user and key, and what is said of what cannot. */
import { describe, expect, it } from 'vitest';
import { newKeyType, whyNotKey, whyNotUser } from '../../../src/model/cephx.js';

const KEY = 'AQDdAVxnAAAAABAAqKZyfvbOBMsQ2GvTJm0AnA==';

describe('a cephx key', () => {
  it('is taken, of whatever type: the library and the kernel say which they know', () => {
    expect(whyNotKey(KEY)).toBeUndefined();
    expect(newKeyType(KEY)).toBeUndefined();
    const bytes = Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0]), Buffer.alloc(32)]);
    expect(whyNotKey(bytes.toString('base64'))).toBeUndefined();
    expect(newKeyType(bytes.toString('base64'))).toBe('type 2 (aes256k)');
  });

  it.each([
    ['', 'it is empty'],
    [`"${KEY}"`, 'it has quotes in it'],
    [KEY.replace('q', ' '), 'it has a blank or a line break in it'],
    [`${KEY}\n`, 'it has a blank or a line break in it'],
    [KEY.replace('q', '!'), 'it has letters in it that base64 does not have'],
    [KEY.replace(/=+$/, ''), 'it has been cut'],
    [KEY.slice(0, 20), 'it is base64, and not of a cephx key'],
    ['AQBBBBBB', 'it is base64, and not of a cephx key'],
  ])('%j is none', (key, why) => {
    expect(whyNotKey(key)).toContain(why);
    if (key !== '') expect(whyNotKey(key)).not.toContain(key);
  });
});

describe('a cephx user', () => {
  it.each(['admin', 'berth-node', 'k8s.prod@site', 'a:b'])('%s is taken', (user) => {
    expect(whyNotUser(user)).toBeUndefined();
  });

  it.each([
    ['', 'it is empty'],
    ['client.admin', 'without "client."'],
    ['admin\n', 'a blank or a line break'],
    ['"admin"', 'quotes'],
    ['--id', 'letters in it that no user has'],
    ['a,b', 'letters in it that no user has'],
  ])('%j is none', (user, why) => {
    expect(whyNotUser(user)).toContain(why);
  });
});
