/** Every sidecar is sized, and docs/scaling.md says the same figures and why. */
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { argument, container, controller, kustomization, node, text, type Container } from './objects.js';

const [added] = kustomization('deploy/kubernetes/snapshot-metadata').patches ?? [];
const metadata = (parse(added?.patch ?? '') as { value: Container }[])[0]!.value;
const sidecars = [...controller.containers, metadata, container(node, 'node-driver-registrar')];
const acting = sidecars.filter(({ image }) => image.startsWith('registry.k8s.io/'));

/** `csi-provisioner` to the cells of its row. */
const rows = new Map(
  text('docs/scaling.md')
    .split('\n')
    .filter((line) => /^\| (csi-|livenessprobe)/.test(line))
    .map((line): [string, string[]] => [line.split(' | ')[0]!.slice(2), line.split(' | ').slice(1)]),
);
/** What stands before its default in brackets. */
const chosen = (cell = ''): string => cell.replace(/ \(.*$/, '');

const programOf = ({ image }: Container): string => image.replace(/^.*\/(.*):.*$/, '$1');

describe('the sidecars', () => {
  it('are all in the table of docs/scaling.md, and no other', () => {
    expect([...rows.keys()].toSorted()).toEqual([...new Set(acting.map(programOf))].toSorted());
  });

  it.each(acting.map((one) => [programOf(one), one] as const))('%s has the figures of its row', (name, one) => {
    const [rate, workers, timeout] = rows.get(name) ?? [];
    const [qps, burst] = [argument(one, 'kube-api-qps'), argument(one, 'kube-api-burst')];
    expect(chosen(rate)).toBe(qps === undefined ? '-' : `${qps}, ${burst}`);
    expect(chosen(workers)).toBe(argument(one, 'worker-threads') ?? argument(one, 'workers') ?? '-');
    expect(chosen(timeout)).toBe(argument(one, name === 'livenessprobe' ? 'probe-timeout' : 'timeout'));
  });

  it('that call the API are all given more than their own five requests a second', () => {
    for (const one of acting.filter((each) => programOf(each).startsWith('csi-') && each !== sidecars.at(-1)))
      expect(Number(argument(one, 'kube-api-qps')), one.name).toBeGreaterThan(5);
  });
});
