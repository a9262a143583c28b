/** The cluster's blocklist: which client instances it does not serve any more. Ceph 14 and 15 call it blacklist. */
import { constants } from 'node:os';
import type { Blocked, BlocklistRight } from '../../port.js';
import { CephErrno, check } from '../ceph-errors.js';
import type { ClusterConnection } from './cluster-connection.js';
import { field, monAct, monText } from './mon-command.js';
import { bareAddress } from './open/open-image.js';

const { EACCES, EINVAL, EPERM } = constants.errno;

type Word = 'blocklist' | 'blacklist';

/** Which word a cluster knows; both do from 16 on, so the newer one is tried first. */
const known = new WeakMap<ClusterConnection, Word>();

/**
 * Run `act` with the cluster's word. An unknown command is EINVAL, as is a bad argument: then the other word decides.
 */
async function withWord<T>(link: ClusterConnection, act: (word: Word) => Promise<T>): Promise<T> {
  const word = known.get(link);
  if (word !== undefined) return act(word);
  try {
    const done = await act('blocklist');
    known.set(link, 'blocklist');
    return done;
  } catch (error) {
    if (!(error instanceof CephErrno) || !error.is(EINVAL)) throw error;
    const done = await act('blacklist');
    known.set(link, 'blacklist');
    return done;
  }
}

const change = (word: Word, op: BlocklistRight, addr: string, more: { expire?: number } = {}) => ({
  prefix: `osd ${word}`,
  [`${word}op`]: op,
  addr,
  ...more,
});

/**
 * Returns when our own client has the map that says so: whoever it tells of the fence cannot be older than it. The half
 * second makes a float of the number: to the monitor a whole one is of the wrong type.
 */
export async function addToBlocklist(link: ClusterConnection, instance: string, seconds: number): Promise<void> {
  await withWord(link, (word) => monAct(link, change(word, 'add', instance, { expire: seconds + 0.5 })));
  await waitForMap(link);
}

/** An operation carries the age of our map, and an OSD waits for that map before it does it. */
async function waitForMap({ ceph, cluster }: ClusterConnection): Promise<void> {
  check(await ceph.rados.waitForMap.later(cluster), 'wait for the map of the fence');
}

/** The monitor takes an instance that is not listed for a success. */
export async function removeFromBlocklist(link: ClusterConnection, instance: string): Promise<void> {
  await withWord(link, (word) => monAct(link, change(word, 'rm', instance)));
}

/**
 * The monitors' word, of which our own client may be behind: it has the map that says so as well when this returns.
 * Whoever made a fence, who relies on it carries it along.
 */
export async function listBlocklist(link: ClusterConnection): Promise<Blocked[]> {
  const text = await withWord(link, (word) => monText(link, { prefix: `osd ${word} ls`, format: 'json' }));
  await waitForMap(link);
  // Releases that know ranges of addresses answer two lists, one after the other (16.2.15: `[][]`).
  return entriesOf(JSON.parse(`[${text.replaceAll(/\]\s*\[/g, '],[')}]`));
}

/** `{addr, until}` wherever they stand. */
function entriesOf(answer: unknown): Blocked[] {
  if (Array.isArray(answer)) return answer.flatMap(entriesOf);
  const [addr, until] = [field(answer, 'addr'), field(answer, 'until')];
  if (typeof addr === 'string' && typeof until === 'string')
    return [{ instance: bareAddress(addr), until: timeOf(until) }];
  return typeof answer === 'object' && answer !== null ? Object.values(answer).flatMap(entriesOf) : [];
}

/** `2026-11-22T10:00:00.123456+0000`; without an offset in some releases, and with a blank in 14. */
function timeOf(text: string): number {
  const iso = text
    .trim()
    .replace(' ', 'T')
    .replace(/(\.\d{3})\d*/, '$1');
  const zoned = /[+-]\d{4}$/.test(iso)
    ? iso.replace(/(\d{2})$/, ':$1')
    : /(Z|[+-]\d{2}:\d{2})$/.test(iso)
      ? iso
      : `${iso}Z`;
  return Date.parse(zoned);
}

/** An instance as far as the caps are concerned, and a malformed address for the command itself. */
const NOBODY = 'nobody/1';

/** Asked with an address that cannot be: whoever may is told that it is malformed, whoever may not is told that. */
export async function rightsMissing(link: ClusterConnection): Promise<BlocklistRight[]> {
  await listBlocklist(link);
  const missing: BlocklistRight[] = [];
  for (const right of ['add', 'rm'] as const) {
    try {
      await monAct(link, change(known.get(link) ?? 'blocklist', right, NOBODY));
    } catch (error) {
      if (!(error instanceof CephErrno)) throw error;
      if (error.is(EACCES, EPERM)) missing.push(right);
      else if (!error.is(EINVAL)) throw error;
    }
  }
  return missing;
}
