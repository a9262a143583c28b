/** The client's verbs over real HTTP: what is an answer, what is an error, and what may be repeated. */
import { describe, expect, it } from 'vitest';
import { NODES as NODE_RESOURCE, VOLUME_ATTACHMENTS, type KubeObject } from '../../../src/kube/objects.js';
import { Deadline } from '../../../src/model/deadline.js';
import { apiFixture, NODES, soon, VAS } from '../../kube/api-fixture.js';

const at = apiFixture();
const get = (name: string, deadline = soon()) => at.api.get(NODE_RESOURCE, name, deadline);

describe('getting an object', () => {
  it('gives it, and undefined where the API itself says that there is none', async () => {
    at.server.put(NODES, { metadata: { name: 'a' } });
    expect((await get('a'))?.metadata.uid).toBe('uid-of-a');
    expect(await get('b')).toBeUndefined();
  });

  it('does not take the 404 of something that does not know the path for an answer about the object', async () => {
    const strange = { group: '', version: 'v2', plural: 'nodes' };
    await expect(at.api.get(strange, 'a', soon())).rejects.toThrow(/BERTH_KUBE_ERROR: get nodes failed.*HTTP 404/);
  });

  it('ends by its deadline when the server is slow', async () => {
    at.server.slowMs = 50_000;
    const began = performance.now();
    await expect(get('a', Deadline.after(200))).rejects.toThrow(
      /BERTH_DEADLINE: GET \/api\/v1\/nodes\/a at the Kubernetes API/,
    );
    expect(performance.now() - began).toBeLessThan(45_000);
  });

  it('names verb and resource where the account lacks a right', async () => {
    at.server.denied.add('get nodes');
    await expect(get('a')).rejects.toThrow(
      /BERTH_KUBE_DENIED: the Kubernetes API does not allow get nodes: .*cannot get resource "nodes"/,
    );
  });

  it('is repeated while a server is too busy, and gives up with its last word', async () => {
    at.server.put(NODES, { metadata: { name: 'a' } });
    at.server.failNext = { status: 503, times: 2 };
    expect((await get('a'))?.metadata.name).toBe('a');
    at.server.failNext = { status: 503, times: 99 };
    await expect(get('a', Deadline.after(700))).rejects.toThrow(/BERTH_KUBE_UNREACHABLE/);
  });

  it('survives a restart of the server on the way', async () => {
    at.server.put(NODES, { metadata: { name: 'a' } });
    await get('a');
    await at.server.stop();
    const answer = get('a');
    setTimeout(() => void at.server.start(), 200);
    expect((await answer)?.metadata.name).toBe('a');
  });

  it('says that there is no answer where nobody listens', async () => {
    await at.server.stop();
    await expect(get('a', Deadline.after(250))).rejects.toThrow(
      /BERTH_KUBE_UNREACHABLE: .*127\.0\.0\.1:\d+ gave no usable answer: connect ECONNREFUSED/,
    );
  });
});

describe('credentials', () => {
  it('are read again where a token was rotated between its reading and its use', async () => {
    at.server.put(NODES, { metadata: { name: 'a' } });
    at.server.tokens = new Set(['second']);
    const answer = get('a');
    at.token = 'second';
    expect((await answer)?.metadata.name).toBe('a');
  });

  it('that are not accepted are an error that does not show them', async () => {
    at.token = 'very-secret';
    at.server.tokens = new Set();
    const error: unknown = await get('a').catch((thrown: unknown) => thrown);
    expect(String(error)).toMatch(/BERTH_KUBE_UNAUTHENTICATED/);
    expect(JSON.stringify(error) + String(error)).not.toContain('very-secret');
  });
});

describe('listing', () => {
  const nameOf = ({ metadata }: KubeObject): string => metadata.name;
  const fill = (count: number): string[] => {
    const all = Array.from({ length: count }, (_, index) => `n${String(index).padStart(4, '0')}`);
    for (const name of all) at.server.put(NODES, { metadata: { name } });
    return all;
  };

  it('goes through all pages', async () => {
    const all = fill(1_234);
    expect((await at.api.list(NODE_RESOURCE, nameOf, soon())).items).toEqual(all);
    expect(at.server.asked).toHaveLength(5);
  });

  it('goes on at its page where the server was restarted in the middle', async () => {
    const all = fill(600);
    const seen: string[] = [];
    for await (const page of at.api.pages(NODE_RESOURCE, soon)) {
      if (seen.length === 0) await at.server.stop().then(() => at.server.start());
      seen.push(...page.items.map(nameOf));
    }
    expect(seen).toEqual(all);
  });

  it('begins anew where its pages grew too old, and gives no object twice', async () => {
    const all = fill(600);
    const list = at.api.list(NODE_RESOURCE, nameOf, soon());
    while (at.server.asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    at.server.pass(1);
    at.server.compact();
    expect((await list).items).toEqual(all);
    expect(at.server.asked.filter((one) => !one.url.includes('continue')).length).toBe(2);
  });
});

describe('changing', () => {
  const attachment = () => at.server.put(VAS, { metadata: { name: 'va', finalizers: ['x', 'y'] } });

  it('meets a conflict where the object is not the one that was looked at', async () => {
    const { resourceVersion } = attachment().metadata;
    attachment();
    const patch = at.api.patch(VOLUME_ATTACHMENTS, 'va', { metadata: { resourceVersion, finalizers: ['y'] } }, soon());
    await expect(patch).rejects.toThrow(/BERTH_KUBE_CONFLICT: somebody else changed volumeattachments.storage.k8s.io/);
    expect(at.server.find(VAS, 'va')?.metadata.finalizers).toEqual(['x', 'y']);
  });

  it('is never repeated by itself: nobody knows whether the first one arrived', async () => {
    at.server.failNext = { status: 503, times: 1 };
    await expect(at.api.create(NODE_RESOURCE, { metadata: { name: 'a' } }, soon())).rejects.toThrow(/KUBE_UNREACHABLE/);
    expect(at.server.asked).toHaveLength(1);
  });

  it('of what exists already is told apart from any other conflict', async () => {
    expect(await at.api.create(NODE_RESOURCE, { metadata: { name: 'a' } }, soon())).toBe(true);
    expect(await at.api.create(NODE_RESOURCE, { metadata: { name: 'a' } }, soon())).toBe(false);
  });
});
