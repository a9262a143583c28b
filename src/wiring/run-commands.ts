/** The commands of a person at a terminal: each makes what it needs, prints, and answers an exit code. */
import type { ReleaseArguments } from '../cli/command-line.js';
import { EXIT_CODE_OF_LEVEL, EXIT_CODES, type ExitCode } from '../cli/exit-codes.js';
import { printAdoption } from '../cli/print-adoption.js';
import { printRelease, printStuck } from '../cli/print-attachments.js';
import { printJson, printTable } from '../cli/print-findings.js';
import { printTrace } from '../cli/print-trace.js';
import type { AdoptArguments } from '../cli/read-adopt.js';
import { DRIVER_NAME } from '../csi/identity-service.js';
import { findStuckAttachments } from '../diagnosis/attachment/find-stuck.js';
import { imageStates } from '../diagnosis/attachment/image-state.js';
import { traceVolume } from '../diagnosis/attachment/trace-volume.js';
import { journalLine } from '../diagnosis/describe-journal.js';
import { preflight } from '../diagnosis/preflight.js';
import { Deadline } from '../model/deadline.js';
import { berthError } from '../model/errors.js';
import { worst } from '../model/finding.js';
import { createLog } from '../observe/log.js';
import type { Options } from '../options/options.js';
import { Clusters } from '../rbd/clusters.js';
import { createLibrbd } from '../rbd/librbd/driver/librbd.js';
import { releaseAttachment } from '../reconcile/release-attachment.js';
import { inspectForAdoption } from '../volume/controller/adopt-image.js';
import type { Additions } from './additions.js';
import { makeControllerParts } from './controller-parts.js';
import { makeDependencies, now, type Dependencies } from './dependencies.js';
import { detachBy } from './detach-by.js';
import { examinedBy } from './examined-by.js';

/** How long reading one image may take, in ms. */
const ADOPT_MS = 30_000;

const print = (text: string): void => void process.stdout.write(text);

export function doctor(options: Options, json: boolean, additions: Additions): Promise<ExitCode> {
  return withDependencies(options, async (dependencies) => {
    const findings = await preflight(examinedBy(dependencies, additions, { versions: true }));
    print(json ? printJson(findings) : printTable(findings));
    return EXIT_CODE_OF_LEVEL[worst(findings)];
  });
}

export async function adopt(asked: AdoptArguments): Promise<ExitCode> {
  const rbd = createLibrbd({ log: createLog('silent') });
  try {
    const clusters = new Clusters(asked.clusters);
    const adoption = await inspectForAdoption({ rbd, clusters }, asked.image, Deadline.after(ADOPT_MS));
    print(printAdoption(adoption, asked, DRIVER_NAME));
    return EXIT_CODES.well;
  } finally {
    await rbd.close();
  }
}

export function trace(options: Options, volume: string): Promise<ExitCode> {
  return withDependencies(options, async (dependencies) => {
    const journal = (handle: string): Promise<string> => journalLine(options.stateDirectory, handle);
    const images = imagesOf(dependencies);
    print(printTrace(volume, await traceVolume({ api: dependencies.kube?.attachments, images, journal, now }, volume)));
    return EXIT_CODES.well;
  });
}

/** BERTH_KUBE_OFF without Kubernetes. */
export function attachments(options: Options, release: ReleaseArguments | undefined): Promise<ExitCode> {
  return withDependencies(options, async (dependencies) => {
    const api = dependencies.kube?.attachments;
    if (api === undefined) throw berthError('BERTH_KUBE_OFF', { what: 'berth attachments' });
    const images = imagesOf(dependencies);
    if (release === undefined) {
      const found = await findStuckAttachments({ api, images, now });
      print(printStuck(found));
      return found.stuck.length > 0 ? EXIT_CODES.attention : EXIT_CODES.well;
    }
    const detach = detachBy(makeControllerParts(dependencies));
    const released = await releaseAttachment({ api, images, detach }, release);
    print(printRelease(released));
    return released.outcome === 'shown' ? EXIT_CODES.attention : EXIT_CODES.well;
  });
}

/** By the user of what this process would serve: in a node's pod there is no other. */
const imagesOf = (dependencies: Dependencies) =>
  imageStates(
    makeControllerParts(dependencies),
    dependencies.options.services.includes('controller') ? 'controller' : 'node',
  );

async function withDependencies(
  options: Options,
  command: (dependencies: Dependencies) => Promise<ExitCode>,
): Promise<ExitCode> {
  const dependencies = await makeDependencies(options, createLog('silent'));
  try {
    return await command(dependencies);
  } finally {
    dependencies.kube?.close();
    await dependencies.rbd.close();
  }
}
