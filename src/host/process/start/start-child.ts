/** Starts a child: as a spare one that is ready, where the command is one for it, else as a new process. */
import { execa } from 'execa';
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { orphanProof } from '../orphan-proof.js';
import { childEnvironment } from './child-environment.js';
import { takeSpareChild } from './spare-children.js';

/** Per stream. Not more: execa spends 0.15 s per MiB on the message of a failed child, and nobody sees that message. */
export const MAX_OUTPUT_CHARACTERS = 4 * 1024 * 1024;

/** How a child is started, of what exec.ts is asked for. */
export interface StartOptions {
  readonly input?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** It has a descriptor 3, on which it tells how far it is. */
  readonly tells: boolean;
  /** Its output is kept and is its outcome's; else somebody reads its streams, however much comes. */
  readonly isKept: boolean;
}

/** How a child ended. */
export interface Outcome {
  readonly exitCode?: number | undefined;
  /** The system's, where it could not be started. */
  readonly code?: string | undefined;
  readonly signal?: NodeJS.Signals | undefined;
  readonly isMaxBuffer: boolean;
  /** Without the final newline; empty where it is not kept. */
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartedChild {
  readonly process: ChildProcess;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Never rejects. */
  readonly outcome: Promise<Outcome>;
}

/** `file` with its arguments, bound to this process (orphan-proof.ts). */
export function startBound(file: string, args: readonly string[], options: StartOptions): StartedChild {
  const { input, env, tells } = options;
  const spare = input === undefined && env === undefined && !tells ? takeSpareChild([file, ...args]) : undefined;
  return spare === undefined ? startNew(...orphanProof(file, args), options) : started(spare, options);
}

/** A new process of exactly this command line. */
export function startNew(file: string, args: readonly string[], options: StartOptions): StartedChild {
  const { input, env, tells, isKept } = options;
  const process = execa(file, args, {
    // Its own process group: a kill reaches what it started, and Ctrl-C on the driver does not reach half-done work.
    detached: true,
    cwd: '/',
    env: childEnvironment(env),
    extendEnv: false,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...(tells ? ['pipe' as const] : [])],
    ...(input === undefined ? {} : { input }),
    buffer: isKept,
    maxBuffer: MAX_OUTPUT_CHARACTERS,
    reject: false,
  });
  return { process, stdout: process.stdout, stderr: process.stderr, outcome: process };
}

function started(process: ChildProcess, { isKept }: Pick<StartOptions, 'isKept'>): StartedChild {
  const [, stdout, stderr] = process.stdio as unknown as [null, Readable, Readable];
  let isMaxBuffer = false;
  const endIt = (): void => {
    isMaxBuffer = true;
    process.kill();
  };
  const [said, complained] = [stdout, stderr].map((stream) => (isKept ? keep(stream, endIt) : () => '')) as [
    Text,
    Text,
  ];
  const outcome = new Promise<Outcome>((resolve) => {
    process.once('close', (code, signal) => {
      const how = { exitCode: code ?? undefined, signal: signal ?? undefined };
      resolve({ ...how, isMaxBuffer, stdout: said(), stderr: complained() });
    });
  });
  return { process, stdout, stderr, outcome };
}

type Text = () => string;

/** The stream's text, up to the limit, beyond which `tooMuch` is called. */
function keep(stream: Readable, tooMuch: () => void): Text {
  let text = '';
  stream.setEncoding('utf8').on('data', (more: string) => {
    if (text.length > MAX_OUTPUT_CHARACTERS) return;
    text += more;
    if (text.length > MAX_OUTPUT_CHARACTERS) tooMuch();
  });
  return () => text.replace(/\r?\n$/, '');
}
