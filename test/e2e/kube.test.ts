/** The Kubernetes room against the cluster of `KUBECONFIG`; without one it says aloud that it was skipped. */
import { describe } from 'vitest';
import { accessFor } from '../../src/kube/access.js';
import { kubeContract } from '../kube/contract.js';

const config = process.env['KUBECONFIG'] ?? '';
if (config === '') {
  process.stdout.write(
    '\nSKIPPED: test/e2e needs a Kubernetes cluster. Set KUBECONFIG to a kubeconfig (token or client certificate) ' +
      'of an account that may\n' +
      'make and remove PersistentVolumes, VolumeAttachments and Events; nothing was tested.\n\n',
  );
}

describe.skipIf(config === '')('a cluster', () => {
  kubeContract(async () => {
    const access = await accessFor(config);
    if (access === undefined) throw new Error(`KUBECONFIG=${config} names no cluster`);
    return access;
  });
});
