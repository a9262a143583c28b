/** The page of `berth trace`: one line for each link between the claim and its pods, and which is broken first. */
import { firstOf } from '../../diagnosis/message-of.js';
import { nodeLine, podLine } from '../../diagnosis/trace/link-words.js';
import type { Break, Warning } from '../../diagnosis/trace/links.js';
import type { SubjectTrace } from '../../diagnosis/trace/trace-subject.js';
import type { VolumeTrace } from '../../diagnosis/trace/trace-volume.js';
import { chainLines, exceptUnseen, type Line } from '../../diagnosis/trace/trace-words.js';

type Objects = NonNullable<SubjectTrace['objects']>;

/** Of the names of the links. */
const WIDTH = 21;

/** A page for a volume, a heading and pages for a pod's, a heading and a line for each of a node's. */
export function printTrace({ pod, node, objects, traces, untraced }: SubjectTrace): string {
  const others = untraced.map(({ named, why }): Line => ['not traced', `${Object.values(named).join('')}: ${why}`]);
  if (node !== undefined) {
    const volumes = traces.map((one): Line => ['volume', `${one.handle ?? one.claimName ?? ''}: ${verdictOf(one)}`]);
    const none = volumes.length + others.length === 0 ? [['volume', 'none is attached there'] as const] : [];
    return page([['node', nodeLine(node.name, node.seen, undefined)], ...volumes, ...others, ...none]);
  }
  if (objects !== undefined) return page([...objectLines(objects, traces), ...others]);
  const pages = traces.map((one) => page(linesOf(one)));
  if (pod === undefined) return pages.join('\n');
  const none: readonly Line[] = pod.claims.length === 0 ? [['claim', 'none: this pod has no volume of ours']] : [];
  return [page([['pod', podLine(pod)], ...others, ...none]), ...pages].join('\n');
}

/** A line for each volume: what it has there, and who uses it. */
function objectLines({ ours, others }: Objects, traces: readonly VolumeTrace[]): readonly Line[] {
  const lines = traces.map((one): Line => {
    const { handle = '', claimName = 'none', pods = [] } = one;
    const users = pods.length === 0 ? '' : `, pods ${pods.map(podLine).join('; ')}`;
    const has = ours.get(handle) ?? [];
    return ['volume', `${handle}: ${firstOf(has)}; claim ${claimName}${users}; ${verdictOf(one)}`];
  });
  return [...lines, ...others.map((name): Line => ['of no volume of ours', name])];
}

const linesOf = (trace: VolumeTrace): readonly Line[] => [...chainLines(trace), ...verdictLines(trace)];

function verdictLines({ breaks, warnings, unseen }: VolumeTrace): readonly Line[] {
  const [first, ...others] = breaks;
  const warned = warnings.map((one): Line => ['warning', told(one)]);
  if (first === undefined) return [['broken', `nothing${exceptUnseen(unseen)}`], ...warned];
  return [['broken', told(first)], ...others.map((one): Line => ['then', told(one)]), ...warned];
}

const told = ({ link, reason, says }: Break | Warning): string => `${link}: ${reason}: ${says}`;

/** On one line. */
function verdictOf({ breaks, warnings, unseen }: VolumeTrace): string {
  const [first] = breaks;
  if (first !== undefined) return `${first.link}: ${first.reason}`;
  const warned = warnings.map(({ link, reason }) => `; warning: ${link}: ${reason}`);
  return `nothing is broken${exceptUnseen(unseen)}${warned.join('')}`;
}

const page = (lines: readonly Line[]): string =>
  `${lines.map(([what, says]) => `${what.padEnd(WIDTH)}${says}`).join('\n')}\n`;
