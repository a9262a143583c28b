/** Who follows the page: a user of a machine with kubectl, ceph and a copy of the tree, who types its commands. */
import { chmodSync, chownSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { packageRoot } from '../../../src/model/package-root.js';
import type { Thing } from '../../kube/api-server.js';
import type { Workloads } from './workloads.js';
import { PACKAGE, runIn, type Outcome, type Place } from './place.js';
import { play, type Called } from './programs.js';

/** Where the operator has it: nobody but root reads the cache in which it may be. */
const KUBECTL = '/opt/kubectl';
/** Of the operator, who is not root. */
export const UID = 1_000;

export interface Surroundings {
  readonly scratch: string;
  /** The root of the one node. */
  readonly node: string;
  readonly workloads: Workloads;
  /** Path of the real one. */
  readonly kubectl: string;
  readonly kubeconfig: string;
  /** What finds the cluster for `ceph`, `rbd` and `rados`. */
  readonly ceph: { readonly monitors: readonly string[]; readonly keyring: string };
  readonly podsNamed: (start: string) => readonly Thing[];
}

export class Operator {
  readonly scratch: string;
  readonly node: string;
  readonly workloads: Workloads;
  readonly podsNamed: Surroundings['podsNamed'];
  /** What helm remembers. */
  readonly releases = new Map<string, string>();
  readonly directory: string;
  readonly #place: Place;
  readonly #server: http.Server;
  readonly #socket: string;
  /** Functions that were typed. */
  #known = '';

  constructor({ scratch, node, workloads, kubectl, kubeconfig, ceph, podsNamed }: Surroundings) {
    this.scratch = scratch;
    this.node = node;
    this.workloads = workloads;
    this.podsNamed = podsNamed;
    this.directory = path.join(scratch, 'work');
    this.#socket = path.join(scratch, 'relay');
    for (const name of ['deploy', 'flexvolume', 'docs'])
      cpSync(path.join(packageRoot(), name), path.join(this.directory, name), { recursive: true });
    this.write('.kube/config', kubeconfig);
    const keyring = path.join(this.directory, 'admin.keyring');
    cpSync(ceph.keyring, keyring);
    this.write('ceph.conf', `[global]\nmon host = ${ceph.monitors.join(',')}\n`);
    this.#writePrograms();
    giveTo(this.directory);
    const at = this.directory;
    const env = {
      HOME: at,
      KUBECONFIG: path.join(at, '.kube/config'),
      CEPH_CONF: path.join(at, 'ceph.conf'),
      CEPH_ARGS: `--id admin --keyring ${keyring}`,
      PATH: `${path.join(scratch, 'bin')}:/usr/local/bin:/usr/sbin:/usr/bin:/bin`,
    };
    const same = Object.fromEntries([at, path.join(scratch, 'bin'), this.#socket].map((one) => [one, one]));
    const shown = { ...same, [KUBECTL]: kubectl };
    this.#place = { user: UID, directory: at, shown, env };
    this.#server = http.createServer((request, response) => void this.#answer(request, response));
  }

  #writePrograms(): void {
    const bin = path.join(this.scratch, 'bin');
    const relay = `exec ${process.execPath} ${path.join(PACKAGE, 'test/integration/install/relay.js')} ${this.#socket}`;
    mkdirSync(bin);
    for (const name of ['docker', 'helm']) writeFileSync(path.join(bin, name), `#!/bin/sh\n${relay} ${name} "$@"\n`);
    const served = `#!/bin/sh\ncase " $* " in *" exec "* | *" logs "* | *" debug "*) ${relay} kubectl "$@" ;; esac\n`;
    writeFileSync(path.join(bin, 'kubectl'), `${served}exec ${KUBECTL} "$@"\n`);
    writeFileSync(path.join(bin, 'real-kubectl'), `#!/bin/sh\nexec ${KUBECTL} "$@"\n`);
    for (const name of readdirSync(bin)) chmodSync(path.join(bin, name), 0o755);
  }

  start(): Promise<void> {
    return new Promise((resolve) =>
      this.#server.listen(this.#socket, () => {
        chmodSync(this.#socket, 0o777);
        resolve();
      }),
    );
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** A file of the operator's, by its path in the working directory. */
  write(file: string, text: string): void {
    const at = path.join(this.directory, file);
    mkdirSync(path.dirname(at), { recursive: true });
    writeFileSync(at, text);
    giveTo(this.directory);
  }

  /** As typed; functions stay known. What it starts in the cluster has happened when it returns. */
  async type(text: string): Promise<Outcome> {
    if (/^\w+\(\) \{.*\}$/.test(text)) {
      this.#known += `${text}\n`;
      return { code: 0, stdout: '', stderr: '' };
    }
    const outcome = await runIn(this.#place, this.scratch, ['bash', '-c', `${this.#known}${text}`]);
    await this.workloads.settled();
    return outcome;
  }

  /** As root on the node, in a copy of the tree. */
  typeOnNode(text: string): Promise<Outcome> {
    const shown = {
      [this.directory]: this.directory,
      '/var': path.join(this.node, 'var'),
      '/run': path.join(this.node, 'run'),
    };
    return runIn({ user: 'root', directory: this.directory, shown }, this.scratch, ['bash', '-c', text]);
  }

  /** The real one, without what is played. */
  kubectl(args: readonly string[], input = ''): Promise<Outcome> {
    return runIn(this.#place, this.scratch, ['real-kubectl', ...args], input);
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const called = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Called;
    const failed = (error: unknown): Outcome => ({ code: 1, stdout: '', stderr: `${String(error)}\n` });
    response.end(JSON.stringify(await play(this, called).catch(failed)));
  }
}

function giveTo(directory: string): void {
  chownSync(directory, UID, UID);
  for (const one of readdirSync(directory, { recursive: true, withFileTypes: true }))
    chownSync(path.join(one.parentPath, one.name), UID, UID);
}
