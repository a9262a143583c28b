/** The image that tests of the holder record attach: where it is, what it is, and who asks for it. */
import type { AttachRequest } from '../../../src/attachment/decide-attach.js';
import { Secret } from '../../../src/model/secret.js';
import type { ImageRef } from '../../../src/rbd/port.js';
import { nodeNamed } from '../../fakes/node-named.js';

const access = { cluster: 'c', monitors: ['127.0.0.1'], user: 'u', key: new Secret('k') };
export const at: ImageRef = { access, pool: 'p', namespace: '', image: 'i' };
export const spec = {
  ...{ sizeBytes: 1n << 20n, features: ['layering'], objectSizeBytes: undefined },
  ...{ stripeUnitBytes: undefined, stripeCount: undefined, dataPool: undefined, metadata: new Map() },
};
export const ask = (node: string, more: Partial<AttachRequest> = {}): AttachRequest => ({
  ...{ volume: 'c/p/i', node: nodeNamed(node), mode: 'SINGLE_NODE_WRITER', access: 'mount' },
  ...{ readOnly: false, by: 'controller' },
  ...more,
});
