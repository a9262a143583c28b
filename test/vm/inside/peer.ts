/**
 * What runs in the second guest: a node's driver, and the commands that the test file in the first guest has for it.
 */
import { spawn } from 'node:child_process';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceError } from '@grpc/grpc-js';
import { ask } from '../../../src/dev/driver/csi-client.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import { PEER, type Answer } from '../wire.js';
import { startNode, type Node } from './driver.js';

const SHARE = '/mnt/share';
const COMMANDS = path.join(SHARE, 'commands');
const COMMAND_MS = 240_000;
const POLL_MS = 100;

type Unary = (request: unknown, options: object, done: (error: ServiceError | null, answer?: object) => void) => void;
type Command = (node: Node, ...args: string[]) => Promise<string>;

const COMMANDS_KNOWN: Readonly<Record<string, Command>> = {
  /** A call of the node service. */
  rpc: async ({ client }, method = '', request = '{}', ms = String(COMMAND_MS)) => {
    const call = (client.node as unknown as Readonly<Record<string, Unary>>)[method];
    if (call === undefined) throw new Error(`there is no ${method}`);
    const options = { deadline: Date.now() + Number(ms) };
    const answer = await ask<object>((done) => call.call(client.node, JSON.parse(request), options, done));
    return JSON.stringify(answer);
  },
  run: async (_node, program = '', ...args) => {
    const { stdout } = await run(program, args, { deadline: Deadline.after(COMMAND_MS) });
    return stdout;
  },
  /** A shell script that goes on when this has answered. */
  background: (_node, script = '') => {
    spawn('sh', ['-c', script], { detached: true, stdio: 'ignore' }).unref();
    return Promise.resolve('');
  },
  log: (node) => node.log(),
};

async function answerTo(node: Node, file: string): Promise<Answer> {
  try {
    const [name = '', ...args] = JSON.parse(await readFile(file, 'utf8')) as readonly string[];
    const command = COMMANDS_KNOWN[name];
    if (command === undefined) throw new Error(`there is no command ${name}`);
    return { result: await command(node, ...args) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

async function serve(node: Node): Promise<never> {
  const begun = new Set<string>();
  for (;;) {
    for (const name of (await readdir(COMMANDS)).filter((one) => one.endsWith('.command') && !begun.has(one))) {
      begun.add(name);
      // Beside each other: one that hangs must not keep the test from asking why.
      void answerTo(node, path.join(COMMANDS, name)).then(async (answer) => {
        const file = path.join(COMMANDS, name.replace(/command$/, 'answer'));
        await writeFile(`${file}.new`, JSON.stringify(answer));
        await rename(`${file}.new`, file);
      });
    }
    await sleep(POLL_MS);
  }
}

const node = await startNode(PEER, { services: ['identity', 'node'] });
await writeFile(path.join(SHARE, 'ready'), '');
await serve(node);
