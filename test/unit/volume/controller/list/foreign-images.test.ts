/** Which images need not be read again: those that two reads found bare, the second long behind the first. */
import { beforeEach, expect, it } from 'vitest';
import { ForeignImages } from '../../../../../src/volume/controller/list/foreign-images.js';
import { place } from '../memory-cluster.js';

const at = place();
const ID = '12ab';
let now = 0;
let images: ForeignImages;
beforeEach(() => {
  now = 0;
  images = new ForeignImages(() => now);
});

it('an image that was read once is read again, however much later: its record may have come behind the read', () => {
  images.saw(at, ID);
  now += 600_000;
  expect(images.knows(at, ID)).toBe(false);
  images.saw(at, ID);
  expect(images.knows(at, ID)).toBe(true);
  expect(images.knows(place('fast'), ID)).toBe(false);
});

it('two reads within two minutes are one: an image that is created takes as long', () => {
  images.saw(at, ID);
  now += 119_999;
  images.saw(at, ID);
  expect(images.knows(at, ID)).toBe(false);
});

it('a read that ends behind the use that it did not see lets nobody forget the image', () => {
  images.saw(at, ID);
  now += 120_000;
  images.saw(at, ID);
  images.forget(at, ID);
  images.saw(at, ID);
  now += 3_600_000;
  expect(images.knows(at, ID)).toBe(false);
});
