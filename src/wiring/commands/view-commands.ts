/** The commands that only look: doctor, trace, volumes. Each makes what it needs, and answers how it ends. */
import { text } from 'node:stream/consumers';
import { EXIT_CODE_OF_LEVEL, EXIT_CODES, type ExitCode } from '../../cli/exit-codes.js';
import { show, type ShowSettings, type Sight } from '../../cli/output/show.js';
import { withProgress } from '../../cli/output/progress.js';
import { terminalOf } from '../../cli/output/terminal.js';
import { printVolumes } from '../../cli/output/print-volumes.js';
import { printTable } from '../../cli/print-findings.js';
import { printTrace } from '../../cli/trace/print-trace.js';
import { DRIVER_NAME } from '../../csi/identity-service.js';
import { preflight } from '../../diagnosis/preflight.js';
import { viewOfNode, volumeOfDevice } from '../../diagnosis/trace/node-view.js';
import type { SubjectParts } from '../../diagnosis/trace/find-subject.js';
import { needsAttention, traceSubject } from '../../diagnosis/trace/trace-subject.js';
import type { TraceParts } from '../../diagnosis/trace/trace-volume.js';
import { listVolumesSeen } from '../../diagnosis/volumes/list-volumes-seen.js';
import { accessFor } from '../../kube/access.js';
import { worst } from '../../model/finding.js';
import { findImageId } from '../../volume/image/look/find-image-id.js';
import type { Options } from '../../options/options.js';
import { KataRecords } from '../../sandbox/kata/kata-records.js';
import type { Additions } from '../additions.js';
import { makeControllerParts } from '../controller-parts.js';
import { now, type Dependencies } from '../dependencies.js';
import { examinedBy } from '../examined-by.js';
import { imagesOf } from './images-of.js';
import { print, withDependencies } from './with-dependencies.js';

/** Shows what `look` sees until it is to end. */
export async function showSight(look: () => Promise<Sight>, view: ShowSettings): Promise<ExitCode> {
  const end = new AbortController();
  const stop = (): void => end.abort();
  if (view.everyMs !== undefined) process.once('SIGINT', stop).once('SIGTERM', stop);
  const terminal = terminalOf(process.stdout, process.env);
  const told = (): Promise<Sight> => withProgress(look, process.stderr);
  const warn = (text: string): void => void process.stderr.write(text);
  return show(told, view, { print, warn, terminal, signal: end.signal });
}

interface DoctorAsked {
  readonly view: ShowSettings;
  readonly install: boolean;
  readonly pods: ReadonlySet<string> | undefined;
}

export async function doctor(
  options: Options,
  { view, install, pods }: DoctorAsked,
  additions: Additions,
): Promise<ExitCode> {
  const kubeFault = await whyNoKubernetes(options.kubernetes);
  const examine = (dependencies: Dependencies): Promise<ExitCode> =>
    showSight(async () => {
      const findings = await preflight(
        examinedBy(dependencies, additions, { versions: true, kubeFault, install, pods }),
      );
      const level = worst(findings);
      return { data: { level, findings }, text: () => printTable(findings), code: EXIT_CODE_OF_LEVEL[level] };
    }, view);
  // What is wrong there is one finding among others, and keeps none of them from being made.
  const usable = kubeFault === undefined ? options : { ...options, kubernetes: 'off' };
  return withDependencies(usable, examine, { records: false });
}

/** Why what `--kubernetes` names cannot be used; the API itself is asked nothing. */
async function whyNoKubernetes(choice: string): Promise<Error | undefined> {
  try {
    await accessFor(choice);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/**
 * Shown, whatever is broken; the errors of a name that leads to nothing.
 * @param subject `-`: names of objects are read from standard input, whatever stands around them
 */
export const trace = (options: Options, subject: string, view: ShowSettings): Promise<ExitCode> =>
  withDependencies(options, async (dependencies) => {
    const parts = tracePartsOf(dependencies);
    const what = subject === '-' ? { text: await text(process.stdin) } : subject;
    return showSight(async () => {
      const found = await traceSubject(parts, what);
      return { data: found, text: () => printTrace(found), code: codeOf(needsAttention(found)) };
    }, view);
  });

export const volumes = (options: Options, view: ShowSettings): Promise<ExitCode> =>
  withDependencies(options, (dependencies) => {
    const { services, stateDirectory, nodeId } = options;
    const isController = services.includes('controller');
    const parts = {
      list: isController ? makeControllerParts(dependencies) : undefined,
      api: isController ? dependencies.kube?.attachments : undefined,
      stateDirectory: services.includes('node') ? stateDirectory : undefined,
      nodeId,
    };
    return showSight(async () => {
      const seen = await listVolumesSeen(parts);
      const isWrong = seen.volumes.some(({ state }) => state === 'look' || state === 'no image');
      const code = codeOf(isWrong || seen.leftOut.length > 0);
      return { data: seen, text: (isWide) => printVolumes(seen, isWide), code };
    }, view);
  });

const codeOf = (isAttention: boolean): ExitCode => (isAttention ? EXIT_CODES.attention : EXIT_CODES.well);

function tracePartsOf(dependencies: Dependencies): TraceParts & SubjectParts {
  const { kube, clusters, options } = dependencies;
  const { services, stateDirectory, nodeId } = options;
  const role = services.includes('controller') ? 'controller' : 'node';
  const kataRecords = new KataRecords(options.kataRecords);
  const here = { stateDirectory: services.includes('node') ? stateDirectory : undefined, kataRecords };
  return {
    api: kube && { attachments: kube.attachments, objects: kube.objects },
    driver: DRIVER_NAME,
    images: imagesOf(dependencies),
    here: (volume) => viewOfNode(here, volume),
    nodeId,
    isController: role === 'controller',
    kataHandlers: options.kataHandlers,
    now,
    clusters,
    volumeOfDevice: (device) => volumeOfDevice(stateDirectory, device),
    volumeOfImageId: (imageId, deadline) => findImageId(dependencies, { imageId, role }, deadline),
  };
}
