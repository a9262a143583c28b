/** Everything about one volume, from its claim to its pods, gathered and compared: the chain, and where it breaks. */
import { Deadline } from '../../model/deadline.js';
import { berthError, isBerthError } from '../../model/errors.js';
import { judge } from '../attachment/decide-attachment.js';
import type { ImageDescriptions, ImageStates } from '../attachment/gather-attachment.js';
import { toldOf } from '../message-of.js';
import { claimBreaks } from './breaks/claim-breaks.js';
import { findBound, type ApiAsked, type Bound, type VolumeNamed } from './find-bound.js';
import { attachmentsOf, factsOfAll } from './gather-attachments.js';
import { gatherPods, type Look } from './gather-claim.js';
import { askHealth, healthHeard, readAfter } from './gather-health.js';
import { imageBreaks } from './breaks/image-breaks.js';
import { inOrder, LINK_OF, type Break, type Link, type Unseen, type Warning } from './links.js';
import { nodeBreaks } from './breaks/node-breaks.js';
import type { NodeView } from './node-view.js';
import { poolBreaks } from './breaks/pool-breaks.js';
import { podBreaks } from './breaks/pod-breaks.js';
import { podWarnings } from './pod-warnings.js';
import { linksBehind, linksElsewhere } from './unseen-links.js';
import type { VolumeFacts } from './volume-facts.js';

export interface TraceParts {
  /** Undefined without Kubernetes. */
  readonly api: ApiAsked | undefined;
  readonly driver: string;
  readonly images: Pick<ImageStates, 'readHolders'> & ImageDescriptions;
  /** What this node has of the volume. */
  readonly here: (volume: string) => Promise<NodeView>;
  readonly nodeId: string;
  /** Rights of a controller: what is refused to a node by design is no fault. */
  readonly isController: boolean;
  /** Handlers of RuntimeClasses that run Kata. */
  readonly kataHandlers: readonly string[];
  readonly now: () => Date;
}

export interface VolumeTrace extends VolumeFacts {
  /** The first is the link that is broken first. */
  readonly breaks: readonly Break[];
  /** Of what breaks nothing yet. */
  readonly warnings: readonly Warning[];
}

/** What all readings may take, in ms. */
const BUDGET_MS = 30_000;

/**
 * BERTH_KUBE_OFF for a name that only Kubernetes knows, BERTH_KUBE_NOT_FOUND, BERTH_VOLUME_NOT_FOUND for a volume of
 * another driver. What else cannot be read is told as a link that was not seen.
 */
export async function traceVolume(
  parts: TraceParts,
  named: VolumeNamed,
  deadline = Deadline.after(BUDGET_MS),
): Promise<VolumeTrace> {
  const unseen: Unseen[] = [];
  const look = lookInto(unseen, parts.isController);
  const bound = await findBound(parts, named, look, deadline);
  const seen = await gather(parts, bound, look, deadline);
  const facts = { ...seen, unseen: [...unseen, ...linksBehind(seen, unseen), ...linksElsewhere(seen)] };
  const breaks = breaksOf(facts);
  return { ...facts, breaks, warnings: podWarnings(facts, breaks) };
}

const breaksOf = (facts: VolumeFacts): readonly Break[] => {
  const attached = facts.findings.map(({ reason, says }): Break => ({ link: LINK_OF[reason], reason, says }));
  const ceph = [...poolBreaks(facts), ...imageBreaks(facts)];
  const all = [...claimBreaks(facts), ...ceph, ...attached, ...nodeBreaks(facts), ...podBreaks(facts)];
  return inOrder(all);
};

async function gather(
  parts: TraceParts,
  bound: Bound,
  look: Look,
  deadline: Deadline,
): Promise<Omit<VolumeFacts, 'unseen'>> {
  const { driver, nodeId, now } = parts;
  const { claimName, handle, pvName } = bound;
  const hasVolume = handle !== undefined || pvName !== undefined;
  const asked = askHealth(parts.images, handle, deadline);
  const attachments = hasVolume ? await attachmentsOf(parts, bound, look, deadline) : [];
  // One that is gone is worth a page only where something still names it.
  if (handle === undefined && claimName === undefined && attachments?.length === 0)
    throw berthError('BERTH_KUBE_NOT_FOUND', { resource: 'PersistentVolume', name: pvName ?? '' });
  const pods = await podsOf(parts, bound, look, deadline);
  const images = await readAfter(asked, parts.images);
  const { image, facts } = await factsOfAll({ api: parts.api, images }, bound, attachments, deadline);
  const measure = { now: now().toISOString(), ageMs: 0, driver };
  const isRead = typeof image === 'object' && 'holders' in image;
  const described = handle !== undefined && isRead;
  const here = handle === undefined ? undefined : await parts.here(handle);
  return {
    ...bound,
    ...namesOf(bound, here),
    now: measure.now,
    driver,
    nodeId,
    attachments,
    facts,
    findings: facts.flatMap((one) => judge(one, measure) ?? []),
    image,
    description: described ? await look('snapshots', () => parts.images.describe(handle, deadline)) : undefined,
    health: await healthHeard(asked, image, look),
    here,
    pods,
  };
}

/** Where nobody could look at the PersistentVolume they are what the image said of them at the stage. */
function namesOf(bound: Bound, here: NodeView | undefined): Pick<VolumeFacts, 'claimName' | 'pvName'> {
  const named = here?.kind === 'staged' && bound.isPvUnseen ? here.entry.named : undefined;
  return { claimName: bound.claimName ?? named?.claim, pvName: bound.pvName ?? named?.pv };
}

/** Without its PersistentVolume nobody knows the claim, and so the pods. */
async function podsOf(
  { api, kataHandlers }: TraceParts,
  bound: Bound,
  look: Look,
  deadline: Deadline,
): Promise<VolumeFacts['pods']> {
  const { claimName, isPvUnseen } = bound;
  if (api !== undefined && claimName !== undefined)
    return gatherPods({ objects: api.objects, kataHandlers }, claimName, look, deadline);
  return isPvUnseen ? undefined : [];
}

/** What is not asked of the API. */
const OF_CEPH: readonly Link[] = ['image', 'snapshots'];

/**
 * An API that is down, or an account that may not ask: what the others say is worth more than an error. One that gave
 * no answer is asked nothing else, for each question would take its whole time.
 */
function lookInto(unseen: Unseen[], isController: boolean): Look {
  let down: Error | undefined;
  return async (link, act) => {
    try {
      const asksApi = !OF_CEPH.includes(link);
      if (asksApi && down !== undefined) throw down;
      return await act();
    } catch (error) {
      if (isBerthError(error, 'BERTH_KUBE_UNREACHABLE', 'BERTH_DEADLINE') && !OF_CEPH.includes(link)) down = error;
      const isByDesign = isBerthError(error, 'BERTH_KUBE_DENIED') && !isController;
      const why = toldOf(error);
      const isKnown = unseen.some((one) => one.link === link && one.why === why);
      if (!isKnown) unseen.push({ link, why, isFault: !isByDesign && !isBerthError(error, 'BERTH_KUBE_OFF') });
      return undefined;
    }
  };
}
