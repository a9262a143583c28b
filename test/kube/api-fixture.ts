/** A stand-in server and a client of it for each test, both gone afterwards. */
import { afterEach, beforeEach } from 'vitest';
import type { KubeAccess } from '../../src/kube/access.js';
import { KubeApi } from '../../src/kube/api.js';
import { HttpWire } from '../../src/kube/http.js';
import { Deadline } from '../../src/model/deadline.js';
import { Secret } from '../../src/model/secret.js';
import { ApiServer } from './api-server.js';

export const NODES = '/api/v1/nodes';
export const PVS = '/api/v1/persistentvolumes';
export const PVCS = '/api/v1/namespaces/shop/persistentvolumeclaims';
export const PODS = '/api/v1/namespaces/shop/pods';
export const VAS = '/apis/storage.k8s.io/v1/volumeattachments';
export const CSI_NODES = '/apis/storage.k8s.io/v1/csinodes';
export const RUNTIME_CLASSES = '/apis/node.k8s.io/v1/runtimeclasses';
export const EVENTS = '/apis/events.k8s.io/v1/namespaces/default/events';

export const soon = (): Deadline => Deadline.after(60_000);

export interface ApiFixture {
  server: ApiServer;
  api: KubeApi;
  /** The token that the client reads at each call. */
  token: string;
}

/** To be called at the top of a test file. */
export function apiFixture(): ApiFixture {
  const at = {} as ApiFixture;
  beforeEach(async () => {
    at.server = new ApiServer();
    at.token = 'first';
    await at.server.start();
    at.api = new KubeApi(new HttpWire(accessTo(at)));
  });
  afterEach(async () => {
    at.api.close();
    await at.server.stop();
  });
  return at;
}

const accessTo = (at: ApiFixture): KubeAccess => ({
  server: new URL(at.server.url),
  serverName: undefined,
  identity: () => Promise.resolve({ ca: undefined, cert: undefined, key: undefined, token: new Secret(at.token) }),
});

/** Wait until it holds; fails with its name when it hangs. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 60_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`${what}: not within 60 s`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
