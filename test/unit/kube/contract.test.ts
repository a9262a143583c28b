/** The stand-in does what a cluster does: the very tests that `npm run test:e2e` runs against a real one. */
import { afterAll, describe } from 'vitest';
import { ApiServer } from '../../kube/api-server.js';
import { kubeContract } from '../../kube/contract.js';

const server = new ApiServer();
afterAll(() => server.stop());

describe('the stand-in', () => {
  kubeContract(async () => {
    await server.start();
    const identity = { ca: undefined, cert: undefined, key: undefined, token: undefined };
    return { server: new URL(server.url), serverName: undefined, identity: () => Promise.resolve(identity) };
  });
});
