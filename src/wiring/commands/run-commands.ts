/** The commands of a person at a terminal: each makes what it needs, prints, and answers an exit code. */
import { join } from 'node:path';
import { askToUnstage } from '../../csi/ask-node.js';
import { deviceNumber } from '../../host/device/block-device.js';
import { mountAt, readMounts, type Mount } from '../../host/mount/mountinfo.js';
import { podOfPath } from '../../host/users/pod-of-process.js';
import type { JournalEntry } from '../../journal/entry.js';
import { Journal } from '../../journal/journal.js';
import type { HolderArguments, ReleaseArguments } from '../../cli/command-line.js';
import type { ShowSettings } from '../../cli/output/show.js';
import { EXIT_CODES, type ExitCode } from '../../cli/exit-codes.js';
import { printAdoption } from '../../cli/print-adoption.js';
import { printGarbage, printRemoved } from '../../cli/print-garbage.js';
import { printHolder, printRelease, printStuck } from '../../cli/print-attachments.js';
import { printDeleted, printRestored } from '../../cli/print-undelete.js';
import type { UndeleteArguments } from '../../cli/read-undelete.js';
import type { AdoptArguments } from '../../cli/read-adopt.js';
import { DRIVER_NAME } from '../../csi/identity-service.js';
import { findStuckAttachments } from '../../diagnosis/attachment/find-stuck.js';
import { Deadline } from '../../model/deadline.js';
import { berthError } from '../../model/errors.js';
import { createLog } from '../../observe/log.js';
import type { Options } from '../../options/options.js';
import { Clusters } from '../../rbd/clusters.js';
import { createLibrbd } from '../../rbd/librbd/driver/librbd.js';
import { releaseAttachment } from '../../reconcile/release-attachment.js';
import { releaseHolder } from '../../reconcile/release-holder.js';
import { inspectForAdoption } from '../../volume/controller/adopt-image.js';
import { findGarbage, removeGarbage } from '../../volume/controller/garbage/find-garbage.js';
import { listDeletedVolumes, undeleteVolume } from '../../volume/controller/delete/undelete-volume.js';
import { proveDetach } from '../../volume/controller/detach/prove-detach.js';
import { askListedContents } from '../../reconcile/garbage/ask-contents.js';
import { askListedVolumes } from '../../reconcile/garbage/ask-volumes.js';
import { makeControllerParts } from '../controller-parts.js';
import { now, type Dependencies } from '../dependencies.js';
import { detachBy } from '../detach-by.js';
import { imagesOf } from './images-of.js';
import { showSight } from './view-commands.js';
import { print, withDependencies } from './with-dependencies.js';

/** How long reading one image may take, in ms. */
const ADOPT_MS = 30_000;
/** How long looking through all places for deleted volumes may take, in ms. */
const UNDELETE_MS = 300_000;

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

/** With the controller's own user. */
export function undelete(options: Options, asked: UndeleteArguments | undefined): Promise<ExitCode> {
  return withDependencies(options, async (dependencies) => {
    const deadline = Deadline.after(UNDELETE_MS);
    print(
      asked === undefined
        ? printDeleted(await listDeletedVolumes(dependencies, deadline), now())
        : printRestored(await undeleteVolume(dependencies, asked, deadline), asked, DRIVER_NAME),
    );
    return EXIT_CODES.well;
  });
}

/** With the controller's own user. What it deletes is purged by the controllers. */
export function garbage(
  options: Options,
  { yes, view }: { readonly yes: boolean; readonly view: ShowSettings },
): Promise<ExitCode> {
  return withDependencies(options, async (dependencies) => {
    const parts = {
      ...makeControllerParts(dependencies),
      purges: { begin: () => undefined },
      askVolumes: askListedVolumes(dependencies),
      askContents: askListedContents(dependencies),
    };
    if (!yes)
      return showSight(async () => {
        const report = await findGarbage(parts);
        const isClean = report.leftOut.length === 0 && report.found.length === 0;
        const code = isClean ? EXIT_CODES.well : EXIT_CODES.attention;
        return { data: report, text: () => printGarbage(report), code };
      }, view);
    const report = await findGarbage(parts);
    const isLeft = report.leftOut.length > 0;
    const ends = await removeGarbage(parts, report);
    print(printRemoved(ends, report));
    return isLeft || ends.some(({ outcome }) => outcome !== 'removed') ? EXIT_CODES.attention : EXIT_CODES.well;
  });
}

export async function unstage(options: Options, volume: string): Promise<ExitCode> {
  const { text, code } = await unstageByHand(options, volume);
  print(text);
  return code;
}

interface AttachmentsAsked {
  readonly release: ReleaseArguments | undefined;
  readonly holder: HolderArguments | undefined;
  readonly view: ShowSettings;
}

/** BERTH_KUBE_OFF without Kubernetes, but for a holder. */
export function attachments(options: Options, { release, holder, view }: AttachmentsAsked): Promise<ExitCode> {
  return withDependencies(options, async (dependencies) => {
    const api = dependencies.kube?.attachments;
    if (holder !== undefined) return releaseFrom(dependencies, holder);
    if (api === undefined) throw berthError('BERTH_KUBE_OFF', { what: 'berth attachments' });
    const images = imagesOf(dependencies);
    if (release === undefined)
      return showSight(async () => {
        const found = await findStuckAttachments({ api, images, now });
        // What could not be looked for is not known to be well.
        const isWell = found.stuck.length === 0 && found.whyNoHolders === undefined;
        const code = isWell ? EXIT_CODES.well : EXIT_CODES.attention;
        return { data: found, text: () => printStuck(found), code };
      }, view);
    const detach = detachBy(makeControllerParts(dependencies));
    const released = await releaseAttachment({ api, images, detach }, release);
    print(printRelease(released));
    return released.outcome === 'shown' ? EXIT_CODES.attention : EXIT_CODES.well;
  });
}

async function releaseFrom(dependencies: Dependencies, holder: HolderArguments): Promise<ExitCode> {
  const parts = makeControllerParts(dependencies);
  const detach = detachBy(parts);
  const released = await releaseHolder(
    {
      api: dependencies.kube?.attachments,
      prove: (volume, node, deadline) =>
        proveDetach(parts, { volume, node, secrets: undefined, unasked: true }, deadline),
      detach: (volume, node, deadline) => detach(volume, node, deadline, true),
    },
    holder,
  );
  print(printHolder(released));
  return released.outcome === 'shown' ? EXIT_CODES.attention : EXIT_CODES.well;
}

/**
 * Answers what to print. BERTH_VOLUME_NOT_AT_PATH where the journal of this node does not know the volume,
 * BERTH_VOLUME_IN_USE names pods or mounts, and the driver's own errors.
 */
async function unstageByHand(
  { stateDirectory, endpoint }: Pick<Options, 'stateDirectory' | 'endpoint'>,
  volume: string,
): Promise<{ readonly text: string; readonly code: ExitCode }> {
  const directory = join(stateDirectory, 'journal');
  const journal = new Journal(directory);
  const entry = await journal.read(volume);
  if (entry === undefined)
    throw berthError('BERTH_VOLUME_NOT_AT_PATH', { volume, path: `any path that the journal in ${directory} knows` });
  await refuseUsed(entry);
  await askToUnstage(endpoint, { volumeId: volume, stagingTargetPath: entry.stagingPath });
  const isPending = (await journal.read(volume)) !== undefined;
  const done = `${volume} is unstaged from ${entry.stagingPath}`;
  return isPending
    ? { text: `${done}; its holder record is given back when the cluster answers\n`, code: EXIT_CODES.attention }
    : { text: `${done}, and its holder record is given back\n`, code: EXIT_CODES.well };
}

/** The driver refuses the targets that it knows; a mount that somebody else made of it is seen here. */
async function refuseUsed({ volume, stagingPath, targets, mapping, handedTo }: JournalEntry): Promise<void> {
  if (handedTo !== undefined)
    throw berthError('BERTH_VOLUME_IN_USE', { volume, who: `${handedTo}, by ${stagingPath}: end its pod` });
  const mounts = await readMounts();
  const number = (await mountAt(stagingPath))?.device ?? (mapping && (await deviceNumber(mapping.device)));
  const name = mapping?.device.slice(mapping.device.lastIndexOf('/'));
  const isOfDevice = ({ device, fsType, root }: Mount): boolean =>
    device === number || (fsType === 'devtmpfs' && root === name);
  const users = mounts.filter((one) => one.target in targets || isOfDevice(one)).map(({ target }) => target);
  const [user] = users.filter((target) => target !== stagingPath);
  if (user === undefined) return;
  const pod = podOfPath(user);
  const who = pod === undefined ? `whoever mounted it at ${user}` : `pod ${pod} (at ${user})`;
  throw berthError('BERTH_VOLUME_IN_USE', { volume, who });
}
