/**
 * The record of a volume's cephx user, one for each attach: where it lies, whose it is, and how far it has come. The
 * controller writes it, and its node alone can read it (docs/ceph-users.md).
 */
import { parseJson } from '../../model/parse-json.js';
import { Secret } from '../../model/secret.js';
import type { UserCaps } from '../../rbd/port/user-port.js';
import type { RecordedNode } from '../node-identity.js';

/**
 * `making`: the user may be there, and nobody was given his key. `made`: the node may use it. `dropping`: nobody may
 * any more, and the user may still be there. `dropped`: he is gone; the node reads there that the volume is not its own
 * any more.
 */
export type VolumeUser = {
  readonly volume: string;
  /** ISO 8601, when it came to be so. */
  readonly at: string;
} & (
  | { readonly state: 'making'; readonly caps: UserCaps }
  | { readonly state: 'made'; readonly caps: UserCaps; readonly key: Secret }
  | { readonly state: 'dropping' | 'dropped' }
);

/**
 * Which nodes have keys: an omap with a key `<installation>/<node>` for each. By its name and a slash begins that of
 * every object with keys.
 */
export const KEY_OWNERS_OBJECT = 'berth-keys';

/**
 * The object with the keys of one node's volumes: an omap of grants. Caps know beginnings of names only; without the
 * slash at its end `node-1` would read what is of `node-10`.
 */
export const keysObjectOf = ({ node, installation = '' }: RecordedNode): string =>
  `${KEY_OWNERS_OBJECT}/${keyOwnerOf({ node, installation })}/`;

/** As {@link KEY_OWNERS_OBJECT} lists it. */
export const keyOwnerOf = ({ node, installation = '' }: RecordedNode): string =>
  `${encodeURIComponent(installation)}/${encodeURIComponent(node)}`;

/** Undefined for what no controller wrote. */
export function ownerIn(key: string): RecordedNode | undefined {
  const [installation, node, ...more] = key.split('/');
  if (installation === undefined || node === undefined || more.length > 0) return undefined;
  return { node: decodeURIComponent(node), installation: decodeURIComponent(installation) };
}

/** All of Berth's users of volumes begin so; the controller's caps let it touch no other. */
const USERS_PREFIX = 'berth-volume.';

/** A grant is a uuid, and never given again: nor is the user. */
export const userOf = (grant: string): string => `${USERS_PREFIX}${grant}`;

export const formatVolumeUser = (user: VolumeUser): string =>
  JSON.stringify({ version: 1, ...user, ...(user.state === 'made' ? { key: user.key.reveal() } : {}) });

/** Undefined for what is none, or of a later Berth: then nothing is concluded from it. */
export function parseVolumeUser(text: string): VolumeUser | undefined {
  const { version, volume, state, caps, key, at } = (parseJson(text) ?? {}) as Readonly<Record<string, unknown>>;
  if (version !== 1 || typeof volume !== 'string' || typeof at !== 'string') return undefined;
  if (state === 'dropping' || state === 'dropped') return { volume, at, state };
  if (!areCaps(caps)) return undefined;
  if (state === 'making') return { volume, at, state, caps };
  return state === 'made' && typeof key === 'string' ? { volume, at, state, caps, key: new Secret(key) } : undefined;
}

const areCaps = (value: unknown): value is UserCaps => {
  const caps = value as Partial<Record<keyof UserCaps, unknown>> | undefined;
  return [caps?.mon, caps?.mgr, caps?.mds, caps?.osd].every((cap) => typeof cap === 'string');
};
