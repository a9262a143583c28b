/** The host, asked from within the guest: the cluster's daemons and its admin are there. */
import net from 'node:net';
import type { Answer, Asked, Request } from '../wire.js';
import { session } from './session.js';

/** More than the host's own patience with what it is asked for, ms. */
const PATIENCE_MS = 400_000;

function ask(call: keyof Asked, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(session.control);
    const timer = setTimeout(() => socket.destroy(new Error(`the host does not answer: ${call}`)), PATIENCE_MS);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => (text += chunk));
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(timer);
      const silence = { error: `the host hung up: ${call}` };
      const answer = text === '' ? silence : (JSON.parse(text) as Answer);
      if ('error' in answer) reject(new Error(answer.error));
      else resolve(answer.result);
    });
    const request: Request = { call, args };
    socket.write(`${JSON.stringify(request)}\n`);
  });
}

export const host: Asked = {
  freeze: async (daemon) => {
    await ask('freeze', [daemon]);
  },
  thaw: async (daemon) => {
    await ask('thaw', [daemon]);
  },
  ceph: (...args) => ask('ceph', args),
  rbd: (...args) => ask('rbd', args),
  addOsd: async () => {
    await ask('addOsd', []);
  },
  removeOsd: async () => {
    await ask('removeOsd', []);
  },
  startPeer: async () => {
    await ask('startPeer', []);
  },
  askPeer: (command, ...args) => ask('askPeer', [command, ...args]),
  suspendPeer: async () => {
    await ask('suspendPeer', []);
  },
  resumePeer: async () => {
    await ask('resumePeer', []);
  },
  rebootPeer: async () => {
    await ask('rebootPeer', []);
  },
  reboot: async () => {
    await ask('reboot', []).catch(() => undefined);
    // The power fails at any moment now.
    return new Promise<never>(() => setInterval(() => undefined, 1_000));
  },
};
