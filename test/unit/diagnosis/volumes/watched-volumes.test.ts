/** The list of all volumes from watches and findings: states, order, what names no PersistentVolume; and the sort. */
import { describe, expect, it } from 'vitest';
import type { AttachmentFinding } from '../../../../src/diagnosis/attachment/attachment-facts.js';
import { sortInSlices } from '../../../../src/diagnosis/volumes/in-slices.js';
import { watchedVolumes } from '../../../../src/diagnosis/volumes/watched-volumes.js';
import type { ApiAttachment, ApiVolume } from '../../../../src/kube/volume-attachments.js';

const volume = (name: string): ApiVolume => ({
  ...{ name: `pv-${name}`, uid: name, handle: `c1/rbd/${name}`, claim: `shop/${name}` },
});
const attachment = (name: string, more: Partial<ApiAttachment> = {}): ApiAttachment => ({
  ...{ name: `va-${name}`, uid: `va-${name}`, resourceVersion: '1', node: 'a', nodeId: 'a', pv: `pv-${name}` },
  ...{ inlineHandle: undefined, attached: true, grant: undefined, since: '', deletingSince: undefined },
  ...{ finalizers: [], error: undefined, ...more },
});
const finding = (more: Partial<AttachmentFinding>): AttachmentFinding => ({
  ...{ reason: 'NodeGone', says: 'gone', act: 'none', attachment: undefined, volume: undefined },
  ...{ nodeName: 'a', nodeId: 'a', ...more },
});

const shown = async (
  volumes: readonly ApiVolume[],
  attachments: readonly ApiAttachment[],
  findings: readonly AttachmentFinding[] = [],
) => {
  const api = { all: () => attachments, allVolumes: () => volumes };
  const rows = await watchedVolumes({ api, findings });
  return rows.map(({ claim, pv, volume: handle, nodes, state }) =>
    [claim ?? pv ?? handle, nodes.join('+'), state].filter((one) => one !== '').join(' '),
  );
};

describe('the list of all volumes', () => {
  it('has the state of each by its attachments', async () => {
    const volumes = ['free', 'on', 'coming', 'going', 'refused', 'two'].map((name) => volume(name));
    const attachments = [
      attachment('on'),
      attachment('coming', { attached: false }),
      attachment('going', { deletingSince: 'x' }),
      attachment('refused', { attached: false, error: 'no' }),
      attachment('two', { node: 'b' }),
      attachment('two', { uid: 'other', deletingSince: 'x' }),
    ];
    expect(await shown(volumes, attachments)).toEqual([
      'shop/refused a failing',
      'shop/coming a attaching',
      'shop/free free',
      'shop/going a detaching',
      'shop/on a attached',
      'shop/two a+b detaching',
    ]);
  });

  it('has what the comparison found first, unless it is about an attachment that has gone meanwhile', async () => {
    const [x, y, z] = [attachment('x'), attachment('y'), attachment('z')];
    const findings = [
      finding({ attachment: x, volume: 'c1/rbd/x' }),
      finding({ attachment: y, volume: 'c1/rbd/y' }),
      finding({ reason: 'HeldInCephOnly', volume: 'c1/rbd/w', nodeName: 'b' }),
    ];
    expect(
      await shown(
        ['w', 'x', 'y', 'z'].map((name) => volume(name)),
        [x, z],
        findings,
      ),
    ).toEqual(['shop/w b stuck', 'shop/x a stuck', 'shop/y free', 'shop/z a attached']);
  });

  it('has what names no PersistentVolume that is there, and those without a claim last', async () => {
    const attachments = [attachment('lost'), attachment('inline', { pv: undefined, inlineHandle: 'c1/rbd/inline' })];
    const findings = [finding({ volume: 'c1/rbd/held' }), finding({ attachment: attachments[0]!, reason: 'NodeGone' })];
    expect(await shown([{ ...volume('plain'), claim: undefined }, volume('mine')], attachments, findings)).toEqual([
      'c1/rbd/held a stuck',
      'pv-lost a stuck',
      'shop/mine free',
      'c1/rbd/inline a attached',
      'pv-plain free',
    ]);
  });

  it('leaves others their turn while it goes through very many', async () => {
    const volumes = Array.from({ length: 20_000 }, (_, index) => volume(String((index * 7_919) % 20_000)));
    const attachments = volumes.map(({ name }) => attachment(name.slice(3)));
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const rows = await shown(volumes, attachments);
    isDone = true;
    expect(rows).toHaveLength(20_000);
    expect(rows.every((row, index) => index === 0 || rows[index - 1]! <= row)).toBe(true);
    expect(turns).toBeGreaterThan(60);
  });
});

describe('a sort in slices', () => {
  it.each([0, 1, 999, 1_000, 1_001, 2_500, 10_001])(
    'is the sort of all %i, equal ones in their order',
    async (count) => {
      const items = Array.from({ length: count }, (_, index) => ({ key: (index * 31) % 97, index }));
      const byKey = (a: { key: number }, b: { key: number }): number => a.key - b.key;
      expect(await sortInSlices(items, byKey)).toEqual(items.toSorted(byKey));
    },
  );
});
