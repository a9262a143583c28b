/** The commands of a person at a terminal: each makes what it needs, prints, and answers an exit code. */
import { hostname } from 'node:os';
import { manifestOf, type AdoptArguments } from '../cli/adopt.js';
import { type Command } from '../cli/command.js';
import { asJson, asTable, exitCodeOf } from '../cli/doctor.js';
import { runCommand } from '../cli/run.js';
import { DRIVER_NAME } from '../csi/identity-service.js';
import { packageVersion } from '../model/package-root.js';
import { Deadline } from '../model/deadline.js';
import { createLog } from '../observe/log.js';
import { parseOptions, USAGE } from '../options.js';
import { Clusters } from '../rbd/clusters.js';
import { createLibrbd } from '../rbd/librbd/driver/librbd.js';
import { cephOf } from '../diagnosis/attachment/image-state.js';
import { inspectForAdoption } from '../volume/controller/adopt-image.js';
import { journalLine } from '../diagnosis/describe-journal.js';
import { preflight } from '../diagnosis/preflight.js';
import type { Additions } from './additions.js';
import { makeControllerParts } from './controller-parts.js';
import { makeDependencies, now } from './dependencies.js';
import { preflightInput } from './preflight-input.js';

/** How long the look at one image may take, in ms. */
const ADOPT_MS = 30_000;

export async function doctor(args: readonly string[], json: boolean, additions: Additions): Promise<number> {
  // He has no node to speak for and registers none.
  const options = parseOptions(args, { NODE_ID: hostname(), ...process.env });
  if (typeof options === 'string') {
    process.stdout.write(options === 'help' ? USAGE : `${packageVersion()}\n`);
    return 0;
  }
  const log = createLog('silent');
  const rbd = createLibrbd({ log });
  try {
    const asked = { options, rbd, log, clusters: new Clusters(options.clusters) };
    const findings = await preflight(preflightInput(asked, additions, { versions: true }));
    process.stdout.write(json ? asJson(findings) : asTable(findings));
    return exitCodeOf(findings);
  } finally {
    await rbd.close();
  }
}

export async function adopt(asked: AdoptArguments): Promise<number> {
  const rbd = createLibrbd({ log: createLog('silent') });
  try {
    const adoption = await inspectForAdoption(
      { rbd, clusters: new Clusters(asked.clusters) },
      asked.image,
      Deadline.after(ADOPT_MS),
    );
    process.stdout.write(manifestOf(adoption, asked, DRIVER_NAME));
    return 0;
  } finally {
    await rbd.close();
  }
}

export async function atTerminal(command: Command): Promise<number> {
  const options = parseOptions(command.rest, { NODE_ID: hostname(), ...process.env });
  if (typeof options === 'string') {
    process.stdout.write(USAGE);
    return 0;
  }
  const ground = await makeDependencies(options, createLog('silent'));
  const { kube, rbd } = ground;
  try {
    const ceph = cephOf(makeControllerParts(ground), options.services.includes('controller') ? 'controller' : 'node');
    const journal = (volume: string): Promise<string> => journalLine(options.stateDirectory, volume);
    const { text, exitCode } = await runCommand(command, { api: kube?.attachments, ceph, journal, now });
    process.stdout.write(text);
    return exitCode;
  } finally {
    kube?.close();
    await rbd.close();
  }
}
