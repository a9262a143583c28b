/**
 * What becomes of a mapping that no journal entry knows. One that is provably ours is undone, one that only looks like
 * ours is reported, and a foreign one is left alone.
 */
import { looksLikeOurs } from '../volume/image/image-name.js';
import { UNMAP_BY_HAND } from '../model/mapper-name.js';
import { imageSpec } from '../model/volume-id.js';
import type { Decided } from './decision.js';
import type { SeenMapping } from './node-facts.js';
import type { NodeView } from './view.js';

export function decideMapping(view: NodeView, seen: SeenMapping, decided: Decided): void {
  const { mapping } = seen;
  const { device, location } = mapping;
  const handles = view.handlesOf(location);
  if (handles.some((handle) => view.facts.isRunning(handle))) return;
  const known = handles.map((handle) => view.entry(handle)).find((entry) => entry !== undefined);
  if (known !== undefined && view.mappingOf(known) === seen) return;
  const subject = `${device} (${imageSpec(location)})`;
  if (known !== undefined) {
    const what = `a second mapping of ${known.volume}, which the journal has by ${known.mapper}`;
    decided.report(subject, 'ours', what, `unmap ${device} by hand once nobody uses it`);
    return;
  }
  if (seen.isProvenOurs) decideOurs(view, seen, handles, subject, decided);
  else decideByName(view, seen, handles, subject, decided);
}

/** Only we could have made it; the journal was lost, or the mapping came to be after its stage had been given up. */
function decideOurs(
  view: NodeView,
  seen: SeenMapping,
  handles: readonly string[],
  subject: string,
  decided: Decided,
): void {
  const users = usersOf(view, seen);
  const claims = handles.flatMap((handle) => view.claimsOf(handle)).map(({ directory }) => directory);
  const what = 'mapped by this driver, and the journal does not know it';
  if (users !== '' || claims.length > 0) {
    const who = users === '' ? `the kubelet has ${claims.join(', ')}` : users;
    decided.report(subject, 'ours', `${what}; ${who}`, 'it goes when it is unstaged');
  } else if (view.facts.unreadable.length > 0 || view.facts.kubelet.incomplete !== undefined) {
    decided.report(
      subject,
      'unsure',
      `${what}; not everything that may name it could be read`,
      'see the other reports',
    );
  } else if (handles.length > 1) {
    decided.report(subject, 'unsure', `${what}; it may be any of ${handles.join(', ')}`, 'unmap it by hand');
  } else if (!view.isFresh(seen.since)) {
    const { mapping } = seen;
    const [volume] = handles;
    decided.acts.push({ kind: 'drop', volume, mapping, why: `${what}, and nobody uses ${mapping.device}` });
  }
}

function decideByName(
  view: NodeView,
  seen: SeenMapping,
  handles: readonly string[],
  subject: string,
  decided: Decided,
): void {
  const { mapper, device, location } = seen.mapping;
  const users = usersOf(view, seen);
  const state = users === '' ? 'nobody uses it' : users;
  if (handles.length === 0 || !looksLikeOurs(location.image)) {
    decided.report(subject, 'foreign', `mapped by somebody else through ${mapper}; ${state}`);
    return;
  }
  const what = `an image of a pool of ours, mapped, and the journal does not know it; ${state}`;
  const todo =
    users === '' ? `if nobody mapped it by hand: ${UNMAP_BY_HAND[mapper]} ${device}` : 'it goes when it is unstaged';
  decided.report(subject, 'ours', what, todo);
}

function usersOf(view: NodeView, seen: SeenMapping): string {
  const mounts = view.mountsOf(seen);
  return [
    mounts.length > 0 ? `mounted at ${mounts.join(', ')}` : '',
    seen.holders.length > 0 ? `held by ${seen.holders.join(', ')}` : '',
  ]
    .filter((part) => part !== '')
    .join('; ');
}
