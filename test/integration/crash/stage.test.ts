/**
 * kill -9 at every step of a stage: the next driver finishes what was begun, with one device, one mount and the data
 * there.
 */
import { crashCases } from '../../crash/planned-cases.js';
import { describeCrashes } from './crash.js';

describeCrashes('cut-s', crashCases('stage'));
