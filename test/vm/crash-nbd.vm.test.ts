/**
 * kill -9 at the steps of rbd-nbd: its daemon carries the data and must not end with the plugin, nor be started twice.
 */
import { crashCases } from '../crash/planned-cases.js';
import { describeCrashes } from './inside/crash-cases.js';

const STEPS = [
  /^stage:(map|record clients|device size|mkfs|mount|write staged|undo map|unmap other kind)$/,
  /^(publish:bind|expand:device size|unstage:unmap.*)$/,
];
const ops = ['stage', 'publish', 'expand', 'unstage'] as const;

describeCrashes(
  'cut-n',
  'nbd',
  crashCases(...ops)
    .filter(({ scenario }) => scenario.guests !== true)
    .filter(({ at }) => STEPS.some((step) => step.test(at))),
);
