/** The page from a start to a stop; its code is loaded where there is one. */
import type { AttachmentFinding } from '../../diagnosis/attachment/attachment-facts.js';
import { berthError } from '../../model/errors.js';
import type { PageServer } from '../../page/page-server.js';
import type { Loop, LoopParts } from '../rounds/loop.js';

/** @param findings of the last comparison of attachments */
export function pageOf(
  { dependencies, controller }: LoopParts,
  findings: () => readonly AttachmentFinding[],
): Loop | undefined {
  const { options, kube } = dependencies;
  const { pageAddress: address } = options;
  if (controller === undefined || address === undefined) return undefined;
  let server: PageServer | undefined;
  return {
    start: async () => {
      const why = 'the page shows what Kubernetes knows, and there is none: --kubernetes';
      if (kube === undefined) throw berthError('BERTH_CONFIG_INVALID', { file: `page-address ${address}`, why });
      const { openPage } = await import('./open-page.js');
      server = await openPage(address, { dependencies, images: controller, kube, findings });
      // Where no comparison is made, nobody else watches.
      kube.attachments.start();
    },
    stop: async () => server?.stop(),
  };
}
