/**
 * What Kubernetes would say of the two nodes: a stand-in of its API in this guest, and the kubeconfig that points the
 * driver at it.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import { ApiServer } from '../../kube/api-server.js';
import { session } from './session.js';

const NODES = '/api/v1/nodes';
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';

export interface NodeLooks {
  readonly ready: 'True' | 'Unknown';
  readonly bootId: string;
  /** A person says that it is powered off. */
  readonly outOfService?: boolean;
}

export class Orchestra {
  readonly #server = new ApiServer();
  readonly kubeconfig = path.join(session.state, 'kubeconfig');

  async start(): Promise<void> {
    await this.#server.start();
    const kubeconfig = {
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'test' },
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      clusters: [{ name: 'test', cluster: { server: this.#server.url } }],
      users: [{ name: 'test', user: { token: 'test' } }],
    };
    await mkdir(session.state, { recursive: true });
    await writeFile(this.kubeconfig, stringify(kubeconfig), { mode: 0o600 });
  }

  /** As of now; the driver sees it by its watch. */
  node(name: string, { ready, bootId, outOfService = false }: NodeLooks): void {
    const taints = outOfService ? [{ key: OUT_OF_SERVICE, value: 'nodeshutdown', effect: 'NoExecute' }] : [];
    const condition = { type: 'Ready', status: ready, lastTransitionTime: new Date().toISOString() };
    this.#server.put(NODES, {
      metadata: { name },
      spec: { taints },
      status: { conditions: [condition], nodeInfo: { bootID: bootId } },
    });
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }
}
