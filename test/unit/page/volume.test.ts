/** One volume's page over HTTP: its chain as a picture and in words, what is broken, and how little it asks. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LINKS, type BreakReason } from '../../../src/diagnosis/trace/links.js';
import type { VolumeTrace } from '../../../src/diagnosis/trace/trace-volume.js';
import { anchorOf } from '../../../src/page/docs/render-markdown.js';
import { BOXES } from '../../../src/page/volume/chain-boxes.js';
import { runbookOf, SYMPTOM_OF } from '../../../src/page/volume/runbook-of.js';
import { TraceDesk } from '../../../src/page/volume/trace-desk.js';
import { RUNTIME_CLASSES } from '../../kube/api-fixture.js';
import { pageFixture } from '../../page/page-fixture.js';

const at = pageFixture();

/** Title and state of each box of the picture. */
const boxes = (text: string): string[] =>
  [...text.matchAll(/<g class="box (\w+)"><title>([^\n<]*)/g)].map(([, state, title]) => `${title} ${state}`);

describe('the page of a volume', () => {
  it('draws its chain, whole from the claim to the pod, and lists what was seen', async () => {
    await at.serve();
    const text = await (await at.get('/volume?pv=pv-1')).text();
    expect(boxes(text)).toEqual([
      ...['Claim whole', 'PersistentVolume whole', 'VolumeAttachment whole', 'Image whole'],
      ...['Holder and watchers whole', 'Node whole', 'Device unseen', 'Pod whole'],
    ]);
    expect(text).toContain('class="good">Nothing is broken');
    for (const seen of [
      '<dt>claim</dt><dd>shop/data, Bound',
      '<dt>image open at</dt><dd>10.0.0.1:0/5',
      'shop/db-0 on a',
    ])
      expect(text).toContain(seen);
  });

  it('marks the link that is broken first, and says why, what to do, and where the runbook is', async () => {
    at.node('a', { ready: 'False', inUse: ['c1/rbd/berth-v'] });
    at.pod({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } });
    await at.serve();
    const text = await (await at.get('/volume?pv=pv-1')).text();
    expect(boxes(text).filter((one) => /first|broken/.test(one))).toEqual(['Node first', 'Pod broken']);
    expect(text).toMatch(
      /<li class="first"><strong>node: NodeNotReady<\/strong> .+ href="\/docs\/runbook#a-node-died"/,
    );
    expect(text).toMatch(/<li class="then"><strong>pod: /);
    expect(text).toContain('aria-label="The chain, broken at Node: NodeNotReady, Pod: ');
    expect(text).toMatch(/class="arrow first"/);
  });

  it('says beside a chain that is whole that the pod’s virtual machine is too small', async () => {
    at.server.put(RUNTIME_CLASSES, { metadata: { name: 'kata-qemu' }, handler: 'kata-qemu' });
    at.pod({
      spec: {
        ...{ runtimeClassName: 'kata-qemu', overhead: { memory: '32Mi' } },
        containers: [{ resources: { limits: { memory: '64Mi' } } }],
      },
    });
    await at.serve();
    const text = await (await at.get('/volume?pv=pv-1')).text();
    expect(text).toContain('class="good">Nothing is broken');
    expect(text).toMatch(
      /<p>Warning: <strong>pod: MemorySmall<\/strong> .+96 MiB.+ href="\/docs\/runbook#a-database-is-killed/,
    );
  });

  it('is found by its handle, and by its claim, also where the claim has no volume', async () => {
    await at.serve();
    expect(await (await at.get('/volume?volume=c1%2Frbd%2Fberth-v')).text()).toContain('<h1>shop/data</h1>');
    expect(await (await at.get('/volume?claim=shop%2Fdata')).text()).toContain('<h1>shop/data</h1>');
    at.change('/api/v1/namespaces/shop/persistentvolumeclaims', 'data', {
      spec: { volumeName: '', storageClassName: 'x' },
    });
    const text = await (await at.get('/volume?claim=shop%2Fdata&again')).text();
    expect(boxes(text)[0]).toMatch(/Claim/);
  });

  it.each([
    ['/volume', 'The address names no volume.'],
    ['/volume?pv=..%2F..%2Fsecrets', 'The address names no volume.'],
    ['/volume?claim=a%2Fb%2Fc', 'The address names no volume.'],
    ['/volume?volume=nonsense', 'The address names no volume.'],
    ['/volume?pv=pv-9', 'pv-9'],
    ['/nothing', 'There is no such page.'],
    ['/docs/secrets', 'There is no such page.'],
  ])('%s is answered by 404 and a sentence', async (address, says) => {
    await at.serve();
    const answer = await at.get(address);
    expect(answer.status).toBe(404);
    expect(await answer.text()).toContain(says);
  });

  it('lists nothing anew of the API for a look: attachments come from the watch', async () => {
    await at.serve();
    await (await at.get('/volume?pv=pv-1')).text();
    const lists = at.server.asked.filter(({ url }) => /\/(volumeattachments|persistentvolumes)\?/.test(url));
    expect(lists.filter(({ url }) => !url.includes('watch=')).length).toBe(2);
  });
});

describe('the box of a link', () => {
  it('is one and no more', () => {
    expect(BOXES.flatMap(({ links }) => links).toSorted()).toEqual(LINKS.toSorted());
  });
});

describe('the runbook of a reason', () => {
  const headings = (page: string): readonly string[] =>
    [...readFileSync(`docs/${page}.md`, 'utf8').matchAll(/^## (.+)$/gm)].map(([, heading]) => anchorOf(heading!));

  it.each(Object.keys(SYMPTOM_OF) as BreakReason[])('%s is there', (reason) => {
    const [, page = '', anchor = ''] = /^\/docs\/(\w+)#(.+)$/.exec(runbookOf(reason).address) ?? [];
    expect(headings(page)).toContain(anchor);
  });
});

describe('the desk of traces', () => {
  const trace = (name: string) => ({ pvName: name }) as VolumeTrace;

  it('makes two at a time, one a volume, and answers all who ask meanwhile and for five seconds', async () => {
    let now = 0;
    const begun: string[] = [];
    const ends = new Map<string, () => void>();
    const desk = new TraceDesk(
      (named) =>
        new Promise((resolve) => {
          const { pv } = named as { pv: string };
          begun.push(pv);
          ends.set(pv, () => resolve(trace(pv)));
        }),
      () => now,
    );
    const all = ['a', 'a', 'b', 'c', 'c'].map((pv) => desk.look({ pv })!);
    expect(begun).toEqual(['a', 'b']);
    ends.get('a')!();
    await all[0];
    expect(begun).toEqual(['a', 'b', 'c']);
    ends.get('b')!();
    ends.get('c')!();
    expect((await Promise.all(all)).map((one) => one.pvName)).toEqual(['a', 'a', 'b', 'c', 'c']);
    now = 4_999;
    await desk.look({ pv: 'a' });
    expect(begun).toHaveLength(3);
    now = 5_000;
    void desk.look({ pv: 'a' });
    expect(begun).toHaveLength(4);
  });

  it('goes on after a trace that failed, and tells whoever is one too many', async () => {
    const desk = new TraceDesk(({ ...named }) =>
      'pv' in named && named.pv === 'x' ? Promise.reject(new Error('no')) : new Promise(() => undefined),
    );
    await expect(desk.look({ pv: 'x' })).rejects.toThrow('no');
    for (let index = 0; index < 18; index += 1) expect(desk.look({ pv: String(index) })).toBeDefined();
    expect(desk.look({ pv: 'more' })).toBeUndefined();
    expect(desk.look({ pv: '0' })).toBeDefined();
  });
});
