/**
 * What pods write as FlexVolume options: defaults of the ancestor, secrets in both spellings, and a refusal by name for
 * the rest.
 */
import { describe, expect, it } from 'vitest';
import { readVolumeOptions } from '../../../src/flexvolume/read-options.js';

const read = (options: object, driver = 'hyper/cephrbd') => readVolumeOptions(JSON.stringify(options), driver);
const encoded = (text: string): string => Buffer.from(text).toString('base64');

describe('options', () => {
  it('of the ancestor mean what they meant: an image, the pool hyper, hyperd', () => {
    expect(read({ volumeID: 'vol1', 'kubernetes.io/fsType': 'ext4', 'kubernetes.io/readwrite': 'rw' })).toEqual({
      ...{ image: 'vol1', pool: 'hyper', namespace: '', cluster: undefined, monitors: [], fsType: 'ext4' },
      ...{
        readOnly: false,
        group: '',
        sandbox: 'hyperd',
        secrets: undefined,
        keyring: undefined,
        user: undefined,
        name: '',
      },
    });
  });

  it('of any other driver go to the host, unless they say', () => {
    expect(read({ image: 'a' }, 'berth/rbd').sandbox).toBe('host');
    expect(read({ image: 'a', sandbox: 'hyperd' }, 'berth/rbd').sandbox).toBe('hyperd');
    expect(read({ image: 'a', sandbox: 'host' }).sandbox).toBe('host');
  });

  it.each([
    ['10.0.0.1:6789,10.0.0.2:6789', ['10.0.0.1:6789', '10.0.0.2:6789']],
    [
      '[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0],[v2:[::1]:3300,v1:[::1]:6789]',
      ['[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]', '[v2:[::1]:3300,v1:[::1]:6789]'],
    ],
    ['[::1]:6789, mon.a', ['[::1]:6789', 'mon.a']],
    ['', []],
  ])('take monitors %s apart where monitors end', (text, monitors) => {
    expect(read({ image: 'a', monitors: text }).monitors).toEqual(monitors);
  });

  it('are read in time that does not explode with them', () => {
    const begun = performance.now();
    read({ image: 'a', monitors: `[v2:${'['.repeat(50_000)}` });
    expect(performance.now() - begun).toBeLessThan(20_000);
  });

  it('carry a secret in either spelling', () => {
    const csi = read({
      ...{ image: 'a', 'kubernetes.io/secret/userID': encoded('u'), 'kubernetes.io/secret/userKey': encoded('k\n') },
    });
    const own = read({ image: 'a', user: 'u', 'kubernetes.io/secret/key': encoded('k') });
    for (const { secrets } of [csi, own]) {
      expect(secrets?.user).toBe('u');
      expect(secrets?.key.reveal()).toBe('k');
      expect(JSON.stringify(secrets)).not.toContain('k"');
    }
  });

  it.each([
    ['not JSON', /options: they are not JSON/],
    ['[]', /not an object/],
    ['null', /not an object/],
    ['{}', /BERTH_FIELD_MISSING: options.volumeID/],
    ['{"volumeID":7}', /options.volumeID: it is not a text/],
    ['{"volumeID":"a","image":"b"}', /options.image/],
    ['{"volumeID":"a","volumeld":"b"}', /options.volumeld: it is not known/],
    ['{"volumeID":"a","kubernetes.io/fsType":"ext3"}', /fsType: ext3 is none of ext4, xfs/],
    ['{"volumeID":"a","kubernetes.io/readwrite":"yes"}', /readwrite/],
    ['{"volumeID":"a","kubernetes.io/secret/key":"aw=="}', /BERTH_SECRETS_INVALID/],
  ])('%s are refused by name', (text, reason) => {
    expect(() => readVolumeOptions(text, 'hyper/cephrbd')).toThrow(reason);
  });
});
