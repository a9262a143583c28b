/** Answers what test files ask of the host, one request for each connection. */
import net from 'node:net';
import { adminOf } from '../../../src/dev/ceph/admin.js';
import { layoutOf } from '../../../src/dev/ceph/layout.js';
import { run } from '../../../src/host/process/exec.js';
import { Deadline } from '../../../src/model/deadline.js';
import type { Answer, Request, Session } from '../wire.js';
import { Freezer } from './freezer.js';
import type { Peer } from './peer.js';
import { SecondOsd } from './second-osd.js';

/** For one `ceph` or `rbd` command on a loaded machine, ms. */
const COMMAND_MS = 120_000;

export interface Control {
  readonly address: Session['control'];
  /** What a reboot is for the file that runs now. */
  onReboot: (() => void) | undefined;
  /** The second guest of the file that runs now; undefined where there can be none. */
  peer: Peer | undefined;
  /** Undo what a file left of its requests. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** Listen at `where` for the cluster of this directory. */
export async function startControl(clusterDirectory: string, where: net.ListenOptions): Promise<Control> {
  const layout = layoutOf(clusterDirectory);
  const admin = adminOf(run, layout);
  const freezer = new Freezer(layout, admin);
  const secondOsd = new SecondOsd(layout, admin);

  const answer = async ({ call, args }: Request): Promise<string> => {
    const [first = ''] = args;
    if (call === 'ceph' || call === 'rbd') return admin[call](args, Deadline.after(COMMAND_MS));
    if (call === 'freeze') await freezer.freeze(first);
    else if (call === 'thaw') await freezer.thaw(first);
    else if (call === 'addOsd') await secondOsd.add();
    else if (call === 'removeOsd') await secondOsd.remove();
    else if (isPeerCall(call)) return peerAnswers(control.peer, call, args);
    else if (control.onReboot !== undefined) control.onReboot();
    else throw new Error('this machine cannot be rebooted');
    return '';
  };
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    void readLine(socket)
      .then((line) => answer(JSON.parse(line) as Request))
      .then(
        (result): Answer => ({ result }),
        (error: unknown): Answer => ({ error: error instanceof Error ? error.message : String(error) }),
      )
      .then((reply) => socket.end(JSON.stringify(reply)));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(where, resolve));
  // Nobody asks any more once the guest is gone, however that came.
  server.unref();
  const address = server.address();
  const control: Control = {
    address: typeof address === 'string' ? { path: address } : { host: where.host ?? '', port: address?.port ?? 0 },
    onReboot: undefined,
    peer: undefined,
    reset: async () => {
      await freezer.thawAll();
      await secondOsd.remove();
      await admin.ceph(['osd', 'blocklist', 'clear'], Deadline.after(COMMAND_MS));
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  return control;
}

type PeerCall = 'startPeer' | 'askPeer' | 'suspendPeer' | 'resumePeer' | 'rebootPeer';

const isPeerCall = (call: Request['call']): call is PeerCall => call.endsWith('Peer');

async function peerAnswers(peer: Peer | undefined, call: PeerCall, args: readonly string[]): Promise<string> {
  if (peer === undefined) throw new Error('there is no second machine here');
  if (call === 'askPeer') return peer.ask(args);
  if (call === 'startPeer') await peer.start();
  else if (call === 'suspendPeer') peer.signal('SIGSTOP');
  else if (call === 'resumePeer') peer.signal('SIGCONT');
  else await peer.reboot();
  return '';
}

function readLine(socket: net.Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    socket.once('close', () => reject(new Error('hung up')));
  });
}
