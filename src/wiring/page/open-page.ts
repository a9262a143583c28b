/** Puts the page together: what it shows comes from the watches, from the last comparison, and from traces. */
import { DRIVER_NAME } from '../../csi/identity-service.js';
import type { AttachmentFinding } from '../../diagnosis/attachment/attachment-facts.js';
import { imageStates, type ImageStateParts } from '../../diagnosis/attachment/image-state.js';
import { viewOfNode } from '../../diagnosis/trace/node-view.js';
import { traceVolume, type TraceParts } from '../../diagnosis/trace/trace-volume.js';
import { watchedVolumes } from '../../diagnosis/volumes/watched-volumes.js';
import type { Attachments } from '../../kube/volume-attachments.js';
import type { Kubernetes } from '../../kube/open-kube.js';
import { Deadline } from '../../model/deadline.js';
import { packageRoot } from '../../model/package-root.js';
import { answerRequest } from '../../page/answer-request.js';
import { Documents } from '../../page/docs/documents.js';
import { Door } from '../../page/door/door.js';
import { PageToken } from '../../page/door/page-token.js';
import { WrongTokens } from '../../page/door/wrong-tokens.js';
import { Assets } from '../../page/html/assets.js';
import { VolumeListing } from '../../page/list/volume-listing.js';
import { servePage, type PageServer } from '../../page/page-server.js';
import { readPageSettings } from '../../page/page-settings.js';
import { TRACE_MS, TraceDesk } from '../../page/volume/trace-desk.js';
import { KataRecords } from '../../sandbox/kata/kata-records.js';
import { now, type Dependencies } from '../dependencies.js';

/** How long a list waits for the watches, in ms: at the start they have listed nothing yet. */
const FRESH_MS = 2_000;

export interface OpenParts {
  readonly dependencies: Dependencies;
  readonly images: ImageStateParts;
  readonly kube: Pick<Kubernetes, 'attachments' | 'objects'>;
  /** Of the last comparison of attachments. */
  readonly findings: () => readonly AttachmentFinding[];
}

/** BERTH_CONFIG_INVALID where it cannot be served as the options say. @param address where, as the option says it */
export async function openPage(
  address: string,
  { dependencies, images, kube, findings }: OpenParts,
): Promise<PageServer> {
  const { options, log } = dependencies;
  const settings = readPageSettings(address, options);
  const { tokenFile, tls } = settings;
  const token = tokenFile === undefined ? undefined : new PageToken(tokenFile);
  // A page that nobody can open is told at the start.
  await token?.current();
  const isTls = tls !== undefined;
  const listing = listingOf(kube.attachments, findings);
  const traceParts = tracePartsOf(dependencies, images, kube);
  const parts = {
    isTls,
    listing,
    door: new Door({ token, wrong: new WrongTokens(), isTls, log, now }),
    assets: await Assets.read(packageRoot()),
    documents: new Documents(packageRoot()),
    desk: new TraceDesk((named) => traceVolume(traceParts, named, Deadline.after(TRACE_MS))),
  };
  const server = await servePage(settings, (question) => answerRequest(parts, question), log);
  const stop = async (): Promise<void> => {
    listing.stop();
    await server.stop();
  };
  return { port: server.port, stop };
}

function listingOf(api: Attachments, findings: OpenParts['findings']): VolumeListing {
  let [seen, round]: [readonly AttachmentFinding[] | undefined, number] = [undefined, 0];
  return new VolumeListing({
    read: () => watchedVolumes({ api, findings: findings() }),
    version: () => {
      const current = findings();
      if (current !== seen) [seen, round] = [current, round + 1];
      return `${api.changes} ${round}`;
    },
    isFresh: () => api.isFresh(Deadline.after(FRESH_MS)),
    now: () => performance.now(),
  });
}

/** As `berth trace` has them, but that lists come from the watches: a look at one volume reads no list of all. */
function tracePartsOf({ options }: Dependencies, images: ImageStateParts, kube: OpenParts['kube']): TraceParts {
  const { services, stateDirectory, nodeId } = options;
  const here = {
    stateDirectory: services.includes('node') ? stateDirectory : undefined,
    kataRecords: new KataRecords(options.kataRecords),
  };
  return {
    api: { attachments: watched(kube.attachments), objects: kube.objects },
    driver: DRIVER_NAME,
    images: imageStates(images),
    here: (volume) => viewOfNode(here, volume),
    nodeId,
    isController: true,
    kataHandlers: options.kataHandlers,
    now,
  };
}

function watched(api: Attachments): NonNullable<TraceParts['api']>['attachments'] {
  const isFresh = (): Promise<boolean> => api.isFresh(Deadline.after(0));
  return {
    nodeOf: (name, deadline) => api.nodeOf(name, deadline),
    podsOf: (claim, node, deadline) => api.podsOf(claim, node, deadline),
    readVolume: (name, deadline) => api.readVolume(name, deadline),
    volumeNamed: (name) => api.volumeNamed(name),
    volumeOf: (handle) => api.volumeOf(handle),
    // Old news is no answer: it is asked for anew, and what cannot be had is told as not looked at.
    list: async (deadline) => ((await isFresh()) ? api.all() : api.list(deadline)),
    listVolumes: async (deadline) => ((await isFresh()) ? api.allVolumes() : api.listVolumes(deadline)),
  };
}
