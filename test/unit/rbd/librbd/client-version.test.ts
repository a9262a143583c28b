/** Which releases of librbd are known to tell all that a clone has of the images below it. */
import { expect, it } from 'vitest';
import { tellsParents } from '../../../../src/rbd/librbd/foreign/client-version.js';

it.each(['16.2.15', '16.2.15+ds', '17.2.8', '18.2.2', '18.2.7', '19.2.0', '20.2.4', '21.0.0-1-gabcdef'])(
  'librbd %s tells all',
  (version) => expect(tellsParents(version)).toBe(true),
);

it.each(['14.2.22', '15.2.17', '16.2.14', '16.2.7', '17.2.7', '18.2.1', '19.1.1', 'Development', '18', '', undefined])(
  'librbd %s may not',
  (version) => expect(tellsParents(version)).toBe(false),
);
