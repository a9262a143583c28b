/** What `npm ci` installs is what was meant: each package of the lock files has the sum of its contents. */
import { describe, expect, it } from 'vitest';
import { text } from './objects.js';

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly resolved?: string;
}

describe.each(['package-lock.json', 'flexvolume/build/package-lock.json'])('%s', (file) => {
  const { packages } = JSON.parse(text(file)) as { readonly packages: Readonly<Record<string, Locked>> };
  const all = Object.entries(packages).filter(([place]) => place !== '');

  it('has the SHA-512 of every package', () => {
    expect(all.length).toBeGreaterThan(100);
    expect(all.filter(([, { integrity = '' }]) => !/^sha512-[\w+/]{86}==$/.test(integrity))).toEqual([]);
  });

  it('names no registry: whoever installs asks his own', () => {
    expect(all.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  });
});
