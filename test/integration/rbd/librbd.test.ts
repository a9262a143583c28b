/** librbd on a real cluster keeps the contract of RbdPort, with Berth's least-privilege user. */
import { realFixture } from './librbd.js';
import { describeHalfMade } from './half-made.contract.js';
import { describeRbdPort } from './port.contract.js';

describeRbdPort('librbd', () => realFixture('contract'));
describeHalfMade('librbd', () => realFixture('halves'));
