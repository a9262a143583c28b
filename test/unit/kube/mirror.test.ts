/** A mirror is what the API has, through expiry, disconnects, restarts and silence; and it knows when it is old. */
import { afterEach, describe, expect, it } from 'vitest';
import { Mirror, TEMPO, type Tempo } from '../../../src/kube/mirror.js';
import { NODES as NODE_RESOURCE, type KubeObject } from '../../../src/kube/objects.js';
import { createLog } from '../../../src/observe/log.js';
import { apiFixture, NODES, soon, until } from '../../kube/api-fixture.js';

const at = apiFixture();
const open: Mirror<string>[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.stop();
});

function mirror(tempo: Partial<Tempo> = {}): Mirror<string> {
  const keep = ({ metadata }: KubeObject) => (metadata.name.startsWith('x') ? undefined : metadata.name);
  const fast = { ...TEMPO, pauseMs: 20, longestPauseMs: 100, staleMs: 300, ...tempo };
  const made = new Mirror(at.api, NODE_RESOURCE, { keep, keys: {} }, { log: createLog('silent'), tempo: fast });
  open.push(made);
  made.start();
  return made;
}

const put = (...names: string[]): void => {
  for (const name of names) at.server.put(NODES, { metadata: { name } });
};
const lists = (): number => at.server.asked.filter(({ url }) => !url.includes('watch=')).length;
const shows = (one: Mirror<string>, ...names: string[]) =>
  until(`the mirror shows ${names.join(', ')}`, () => one.values().toSorted().join() === names.join());

describe('a mirror', () => {
  it('lists once and is then kept by the watch alone', async () => {
    put('a', 'x-of-no-interest');
    const one = mirror();
    await shows(one, 'a');
    put('b', 'c');
    at.server.remove(NODES, 'a');
    await shows(one, 'b', 'c');
    expect(lists()).toBe(1);
  });

  it('counts lists and changes, but not those of what is of no interest', async () => {
    put('a');
    const one = mirror();
    await shows(one, 'a');
    const before = one.changes;
    put('x-of-no-interest');
    expect(one.changes).toBe(before);
    put('b');
    await shows(one, 'a', 'b');
    expect(one.changes).toBe(before + 1);
    at.server.remove(NODES, 'b');
    await shows(one, 'a');
    expect(one.changes).toBe(before + 2);
  });

  it('goes on from where it was after a torn connection, without a new list', async () => {
    put('a');
    const one = mirror();
    await shows(one, 'a');
    await until('a watch', () => at.server.openWatches === 1);
    at.server.tear();
    put('b');
    await shows(one, 'a', 'b');
    expect(lists()).toBe(1);
  });

  it('takes a bookmark for a place to go on from', async () => {
    const one = mirror();
    await until('a watch', () => at.server.openWatches === 1);
    at.server.pass(50);
    at.server.bookmark();
    at.server.compact();
    put('a');
    await shows(one, 'a');
    at.server.tear();
    put('b');
    await shows(one, 'a', 'b');
    expect(lists()).toBe(1);
  });

  it.each(['told in the watch', 'answered to the next watch'])(
    'lists anew when its place has expired, as %s',
    async (how) => {
      put('a', 'b');
      const one = mirror();
      await shows(one, 'a', 'b');
      await until('a watch', () => at.server.openWatches === 1);
      // Removed while nobody tells it: only a list can know.
      if (how === 'told in the watch') at.server.expireWatches();
      else at.server.tear();
      at.server.remove(NODES, 'a');
      at.server.pass(5);
      at.server.compact();
      await shows(one, 'b');
      put('c');
      await shows(one, 'b', 'c');
      expect(lists()).toBe(2);
    },
  );

  it('survives a restart of the server', async () => {
    put('a');
    const one = mirror();
    await shows(one, 'a');
    await at.server.stop();
    put('b');
    await until('it knows that it is old', () => !one.isFresh);
    expect(one.values()).toEqual(['a']);
    await at.server.start();
    await shows(one, 'a', 'b');
    expect(one.isFresh).toBe(true);
  });

  it('finds by listing again now and then what no watch told', async () => {
    put('a');
    const one = mirror({ resyncMs: 0 });
    await shows(one, 'a');
    await until('a watch', () => at.server.openWatches === 1);
    at.server.putUnseen(NODES, { metadata: { name: 'b' } });
    at.server.tear();
    await shows(one, 'a', 'b');
  });

  it('is not fresh, and says so, as long as it may not list', async () => {
    at.server.denied.add('list nodes');
    const one = mirror();
    expect(await one.whenFresh(soon().within(200))).toBe(false);
    at.server.denied.clear();
    expect(await one.whenFresh(soon())).toBe(true);
  });

  it('does not ask without pause where something ends every watch at once', async () => {
    mirror({ pauseMs: 100 });
    const began = performance.now();
    for (let i = 0; i < 40; i += 1) {
      at.server.tear();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    // A list and a watch after each pause, and those that it begins with.
    expect(at.server.asked.length).toBeLessThan(4 + 2 * ((performance.now() - began) / 100));
  });
});
