/** kill -9 at every step of a stage by the kernel client. */
import { crashCases } from '../crash/planned-cases.js';
import { describeCrashes } from './inside/crash-cases.js';

describeCrashes(
  'cut-s',
  'krbd',
  crashCases('stage').filter(({ scenario }) => scenario.guests !== true),
);
