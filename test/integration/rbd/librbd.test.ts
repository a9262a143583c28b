/** librbd on a real cluster keeps the contract of RbdPort, with Berth's least-privilege user. */
import { realFixture } from './librbd.js';
import { describeInterruptedCreate } from './interrupted-create.contract.js';
import { describeImageIdentity } from './image-identity.contract.js';
import { describeLocks } from './locks.contract.js';
import { describeClones } from './clones.contract.js';
import { describeDiffs } from './diff.contract.js';
import { describeSnapshots } from './snapshots.contract.js';
import { describeRbdPort } from './port.contract.js';
import { describeRename } from './rename.contract.js';

describeRbdPort('librbd', () => realFixture('contract'));
describeInterruptedCreate('librbd', () => realFixture('halves'));
describeImageIdentity('librbd', () => realFixture('identity'));
describeLocks('librbd', () => realFixture('locks'));
describeSnapshots('librbd', () => realFixture('snapshots'));
describeRename('librbd', () => realFixture('rename'));
describeClones('librbd', () => realFixture('clones'));
describeDiffs('librbd', () => realFixture('diffs'));
