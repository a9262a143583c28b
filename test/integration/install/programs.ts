/** Programs that are not here, played as the page needs them: docker, helm, and what kubectl asks of a kubelet. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import Ajv from 'ajv';
import { parse, stringify } from 'yaml';
import { CHART, chartRenderer, whyNoGo } from '../../chart/go-renderer.js';
import { readSettings } from '../../../src/manifests/read-settings.js';
import { renderManifests } from '../../../src/manifests/render.js';
import type { Container } from '../../unit/deploy/objects.js';
import { MAIN, runIn, type Outcome } from './place.js';
import type { Operator } from './operator.js';

export interface Called {
  readonly program: string;
  readonly args: readonly string[];
  readonly directory: string;
  readonly input: string;
}

const IMAGE = 'registry.example/berth:0.1.0';
/** Whom the image runs as where nobody says another. */
const NOBODY = 65_532;
const fail = (stderr: string): Outcome => ({ code: 1, stdout: '', stderr: `${stderr}\n` });

export function play(operator: Operator, called: Called): Promise<Outcome> {
  const { program, args } = called;
  if (program === 'docker') return docker(operator, called);
  if (program === 'helm') return helm(operator, called);
  const verb = ['exec', 'logs', 'debug'].find((one) => args.includes(one));
  if (verb === 'exec') return exec(operator, args);
  if (verb === 'logs') return logs(operator, args);
  if (verb === 'debug') return debug(operator, args);
  return Promise.resolve(fail(`${program} ${args.join(' ')}: nobody plays this`));
}

/** `run` of the driver's image, which is this build; it sees the volumes that it is given and nothing else. */
function docker({ scratch }: Operator, { args }: Called): Promise<Outcome> {
  const image = args.indexOf(IMAGE);
  if (args[0] !== 'run' || image < 0) return Promise.resolve(fail(`docker: only run ${IMAGE} is played`));
  const shown: Record<string, string> = {};
  let user: number = NOBODY;
  let at = '/';
  for (let index = 1; index < image; index += 1) {
    const option = args[index]!;
    if (option === '--rm') continue;
    const value = args[(index += 1)]!;
    if (option === '--volume') shown[value.split(':')[1]!] = value.split(':')[0]!;
    else if (option === '--user') user = Number(value.split(':')[0]);
    else if (option === '--workdir') at = value;
    else if (option !== '--network') return Promise.resolve(fail(`docker: unknown option ${option}`));
  }
  const place = { user: user === 0 ? ('root' as const) : user, directory: at, shown };
  return runIn(place, scratch, [process.execPath, MAIN, ...args.slice(image + 1)]);
}

interface Release {
  readonly words: readonly string[];
  readonly flags: readonly string[];
  readonly options: readonly (readonly [name: string, value: string])[];
}

/** Throws for an option that the page does not need. */
function releaseOf(args: readonly string[]): Release {
  const [words, flags]: [string[], string[]] = [[], []];
  const options: (readonly [string, string])[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const one = args[index]!;
    if (['--install', '--create-namespace'].includes(one)) flags.push(one);
    else if (['--namespace', '--set', '--set-file'].includes(one)) options.push([one, args[(index += 1)] ?? '']);
    else if (one.startsWith('-')) throw new Error(`helm: unknown option ${one}`);
    else words.push(one);
  }
  return { words, flags, options };
}

/** Renders the chart as helm does, and hands it to kubectl; `uninstall` takes the same away. */
async function helm(operator: Operator, { args, directory }: Called): Promise<Outcome> {
  const [verb = '', ...rest] = args;
  const { words, flags, options } = releaseOf(rest);
  const [name = '', directoryOfChart = ''] = words;
  const namespace = options.find(([option]) => option === '--namespace')?.[1];
  if (namespace === undefined || name === '') return fail('helm: no namespace, or no release');
  if (verb === 'uninstall') {
    const before = operator.releases.get(name);
    if (before === undefined) return fail(`helm: release ${name} not found`);
    operator.releases.delete(name);
    return operator.kubectl(['delete', '-f', '-'], before);
  }
  if (verb !== 'upgrade' || directoryOfChart !== 'deploy/helm/berth')
    return fail(`helm ${verb} ${words.join(' ')}: nobody plays this`);
  const set = options.flatMap(([option, value]) => (option === '--set' ? [value] : []));
  const files = options.flatMap(([option, value]): string[] => {
    const [setting = '', file = ''] = value.split('=');
    return option === '--set-file' ? [`${setting}=${readFileSync(path.join(directory, file), 'utf8')}`] : [];
  });
  const rendered = await chart(set, files, namespace);
  if (rendered.code !== 0) return rendered;
  operator.releases.set(name, rendered.stdout);
  const made = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  if (flags.includes('--create-namespace')) await operator.kubectl(['apply', '-f', '-'], made);
  return operator.kubectl(['apply', '-f', '-'], rendered.stdout);
}

async function chart(set: readonly string[], files: readonly string[], namespace: string): Promise<Outcome> {
  if (whyNoGo() !== undefined) {
    const objects = renderManifests(readSettings({ set: [...set, 'createNamespace=false'], files }));
    return { code: 0, stdout: objects.map((one) => stringify(one)).join('---\n'), stderr: '' };
  }
  const values = parse(readFileSync(path.join(CHART, 'values.yaml'), 'utf8')) as Record<string, unknown>;
  for (const one of [...set, ...files]) {
    const [, name = '', text = ''] = /^([^=]*)=([^]*)$/.exec(one) ?? [];
    const [group = '', inner] = name.split('.');
    if (inner === undefined) values[group] = text;
    else values[group] = { ...(values[group] as object), [inner]: text };
  }
  const schema = JSON.parse(readFileSync(path.join(CHART, 'values.schema.json'), 'utf8')) as object;
  const ajv = new Ajv();
  if (ajv.validate(schema, values) !== true) return fail(`helm: values: ${ajv.errorsText()}`);
  return chartRenderer()(values, namespace);
}

/** Whose container is meant, as the API has it: `deploy/NAME` or a pod. */
async function containerOf(operator: Operator, args: readonly string[]): Promise<readonly [string, Container]> {
  const object = args.find((one) => /^(deploy|pod)\//.test(one)) ?? '';
  const { code, stdout, stderr } = await operator.kubectl(['-n', 'berth-system', 'get', object, '-o', 'json']);
  if (code !== 0 || args[args.indexOf('-n') + 1] !== 'berth-system') throw new Error(`${object}: ${stderr}`);
  interface Found {
    readonly metadata: { readonly name: string };
    readonly spec: {
      readonly containers?: Container[];
      readonly template?: { readonly spec: { containers: Container[] } };
    };
  }
  const { metadata, spec } = JSON.parse(stdout) as Found;
  const name = args[args.indexOf('-c') + 1];
  const container = (spec.containers ?? spec.template!.spec.containers).find((one) => one.name === name);
  if (container === undefined) throw new Error(`${object} has no container ${name ?? ''}`);
  return [metadata.name.replace(/-\d+$/, ''), container];
}

async function exec(operator: Operator, args: readonly string[]): Promise<Outcome> {
  const [workload] = await containerOf(operator, args);
  const [program, ...rest] = args.slice(args.indexOf('--') + 1);
  if (program !== 'berth') return fail(`exec ${program ?? ''}: nobody plays this`);
  const { place } = operator.workloads.running.get(workload)!;
  return runIn(place, operator.scratch, [process.execPath, MAIN, ...rest]);
}

async function logs(operator: Operator, args: readonly string[]): Promise<Outcome> {
  if (!args.includes('-c')) return { code: 0, stdout: 'Fri Nov 27 10:00:00 UTC 2026\n', stderr: '' };
  const [workload] = await containerOf(operator, args);
  return { code: 0, stdout: readFileSync(operator.workloads.running.get(workload)!.logFile, 'utf8'), stderr: '' };
}

/** The pod is made by the real kubectl, which is not asked to stay; then its command runs as that pod says. */
async function debug(operator: Operator, args: readonly string[]): Promise<Outcome> {
  const command = args.slice(args.indexOf('--') + 1);
  const made = await operator.kubectl(args.filter((one) => one !== '-it'));
  if (made.code !== 0) return made;
  const [pod] = operator.podsNamed('node-debugger-');
  const { spec } = pod as unknown as {
    spec: { nodeName: string; volumes: { hostPath?: { path: string } }[]; containers: Container[] };
  };
  const { securityContext, volumeMounts } = spec.containers[0]!;
  const user = (securityContext['runAsUser'] as number | undefined) ?? NOBODY;
  const host = volumeMounts.find(({ mountPath }) => mountPath === '/host');
  if (securityContext['privileged'] !== true || host === undefined || spec.volumes[0]?.hostPath?.path !== '/')
    return fail(`the debugger is not what a node's is: ${JSON.stringify(spec)}`);
  const place = { user: user === 0 ? ('root' as const) : user, directory: '/', shown: { '/host': operator.node } };
  return runIn(place, operator.scratch, [process.execPath, MAIN, ...command.slice(1)]);
}
