/** Containers that ended by signal 9: for want of memory, or for another reason. */
import { describe, expect, it } from 'vitest';
import { traceSubject } from '../../../../src/diagnosis/trace/trace-subject.js';
import { traceFixture } from '../../../kube/trace-fixture.js';

const at = traceFixture();
const minutesAgo = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString();

async function killed(spec: Record<string, unknown>, ...all: (readonly [reason: string, minutes: number])[]) {
  const containerStatuses = all.map(([reason, minutes], index) => {
    const terminated = { exitCode: 137, reason, finishedAt: minutesAgo(minutes) };
    return { name: `c${index}`, restartCount: 1, lastState: { terminated } };
  });
  at.pod({ spec, status: { containerStatuses } });
  await at.journal();
  const { traces } = await traceSubject(at.parts(), 'shop/data');
  return traces[0]!.breaks.map(({ reason, says }) => `${reason}: ${says}`);
}
const KATA = { runtimeClassName: 'kata-qemu' };

describe('a container that ended by signal 9', () => {
  it('is told in a virtual machine, whose kernel tells nobody why', async () => {
    const says = /^PodKilled: container c0 .* was killed by signal 9, as for want of memory .*kata-qemu/;
    expect(await killed(KATA, ['Error', 1])).toEqual([expect.stringMatching(says)]);
  });

  it('is no break on the host unless the kubelet says that it was for want of memory', async () => {
    expect(await killed({}, ['Error', 1])).toEqual([]);
    const says = /^PodKilled: container c1 .* was killed for want of memory/;
    expect(await killed({}, ['Error', 1], ['OOMKilled', 5])).toEqual([expect.stringMatching(says)]);
  });

  it('is none any more after an hour', async () => {
    expect(await killed(KATA, ['OOMKilled', 61])).toEqual([]);
  });
});
