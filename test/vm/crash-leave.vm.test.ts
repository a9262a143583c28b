/** kill -9 at every step of publish, expand, unpublish and unstage by the kernel client. */
import { crashCases } from '../crash/planned-cases.js';
import { describeCrashes } from './inside/crash-cases.js';

describeCrashes(
  'cut-l',
  'krbd',
  crashCases('publish', 'expand', 'unpublish', 'unstage').filter(({ scenario }) => scenario.guests !== true),
);
