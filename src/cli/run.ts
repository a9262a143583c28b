/** Runs a person's command over the rooms that main gives it. */
import { berthError } from '../model/errors.js';
import { release, stuckAttachments, type Told } from './attachments.js';
import type { Command } from './command.js';
import { trace, type TraceRoom } from './trace.js';

/** BERTH_KUBE_OFF for what cannot be told without Kubernetes; errors of the command itself. */
export async function runCommand(command: Command, room: TraceRoom): Promise<Told> {
  if (command.kind === 'trace') return { text: await trace(room, command.name), exitCode: 0 };
  const { api, ceph, now } = room;
  if (api === undefined) throw berthError('BERTH_KUBE_OFF', { what: 'berth attachments' });
  if (command.release === undefined) return stuckAttachments({ api, ceph, now });
  return release({ api, ceph, now }, command.release);
}
