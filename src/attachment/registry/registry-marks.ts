/** What the places of a cluster say of its registry, in a plain object of each: which is it, which was agreed on. */
import type { Deadline } from '../../model/deadline.js';
import type { PoolSpec } from '../../model/volume-id.js';
import type { PoolRef, RbdPort } from '../../rbd/port.js';

/** An omap in pools that a clusters file lists. `rados listomapvals berth.registry` shows it. */
export const REGISTRY_OBJECT = 'berth.registry';
/** In the registry itself: since when it is it, ISO 8601. */
const HERE = 'here';
/** In the first listed place by name: which place becomes the registry, while none says that it is. */
const CLAIM = 'claim';

type MarksPort = Pick<RbdPort, 'getRecords' | 'compareAndSetRecord'>;

/** What a place said, or why it could not be asked. */
export type Answer = Answered | Unasked;

export interface Answered {
  readonly at: PoolRef;
  readonly here: string | undefined;
}

export interface Unasked {
  readonly at: PoolRef;
  readonly failure: unknown;
}

/** `pool/namespace`, as a claim names it; neither can contain a slash. */
export const nameOf = ({ pool, namespace }: PoolSpec): string => `${pool}/${namespace}`;

export const hasAnswered = (answer: Answer): answer is Answered => !('failure' in answer);
export const isUnasked = (answer: Answer): answer is Unasked => 'failure' in answer;

/** One OSD operation. A failure is an answer, too. */
export async function readMarks(rbd: MarksPort, at: PoolRef, deadline: Deadline): Promise<Answer> {
  try {
    const marks = await rbd.getRecords(at, REGISTRY_OBJECT, [HERE], deadline);
    return { at, here: marks.get(HERE) };
  } catch (failure) {
    return { at, failure };
  }
}

/**
 * Have one of `places` claimed, `wanted` unless another one is claimed already: which it is. The claim is made in the
 * first of them by name, so that processes whose files list them in another order ask the same object.
 */
export async function claimPlace(
  rbd: MarksPort,
  places: readonly Answered[],
  wanted: PoolRef,
  deadline: Deadline,
): Promise<PoolRef> {
  const arbiter = firstByName(places).at;
  for (;;) {
    const claim = (await rbd.getRecords(arbiter, REGISTRY_OBJECT, [CLAIM], deadline)).get(CLAIM);
    const claimed = places.find(({ at }) => nameOf(at) === claim);
    if (claimed !== undefined) return claimed.at;
    if (await rbd.compareAndSetRecord(arbiter, REGISTRY_OBJECT, CLAIM, claim, nameOf(wanted), deadline)) return wanted;
  }
}

/** From now on every process finds the registry here; one that says so already keeps its time. */
export async function markHere(rbd: MarksPort, at: PoolRef, now: Date, deadline: Deadline): Promise<void> {
  await rbd.compareAndSetRecord(at, REGISTRY_OBJECT, HERE, undefined, now.toISOString(), deadline);
}

const firstByName = (places: readonly Answered[]): Answered =>
  places.reduce((first, one) => (nameOf(one.at) < nameOf(first.at) ? one : first));

/** The oldest first, equally old ones by name: everybody who sees the same marks sees the same order. */
export function byAge(places: readonly Answered[]): readonly Answered[] {
  const key = ({ at, here = '' }: Answered): string => `${here} ${nameOf(at)}`;
  return [...places].sort((one, other) => (key(one) < key(other) ? -1 : 1));
}
