/**
 * kill -9 at every step of publish, expand, unpublish and unstage: the next driver finishes it, and nothing is lost or
 * left.
 */
import { crashCases } from '../../crash/planned-cases.js';
import { describeCrashes } from './crash.js';

describeCrashes('cut-p', crashCases('publish', 'expand', 'unpublish', 'unstage'));
