/**
 * Where everything of one cluster lies: all below its own directory, except sockets when that directory's name is too
 * long for them.
 */
import path from 'node:path';
import { berthError } from '../../model/errors.js';

/** sun_path is 108 bytes with its terminating zero (unix(7)). */
export const MAX_SOCKET_BYTES = 107;

export interface Layout {
  readonly directory: string;
  readonly conf: string;
  readonly record: string;
  readonly monmap: string;
  readonly keys: string;
  readonly log: string;
  readonly run: string;
  readonly crash: string;
  readonly mon: string;
  readonly mgr: string;
  readonly osd: string;
}

export function layoutOf(directory: string): Layout {
  const at = (name: string): string => path.join(directory, name);
  return {
    directory,
    conf: at('ceph.conf'),
    record: at('cluster.json'),
    monmap: at('monmap'),
    keys: at('keys'),
    log: at('log'),
    run: at('run'),
    crash: at('crash'),
    mon: at('mon'),
    mgr: at('mgr'),
    osd: at('osd'),
  };
}

/**
 * What `up` makes and `down` removes; nothing else in the directory is touched.
 * The record goes last: it says what to remove.
 */
export const made = (layout: Layout): readonly string[] => [
  layout.osd,
  `${layout.osd}.made`,
  layout.mon,
  `${layout.mon}.made`,
  layout.mgr,
  layout.monmap,
  layout.keys,
  layout.crash,
  layout.run,
  layout.log,
  layout.conf,
  layout.record,
];

export const keyringOf = (layout: Layout, name: string): string => path.join(layout.keys, `${name}.keyring`);

/** Does the longest admin socket fit below `run`? */
export const fitsSockets = (run: string): boolean =>
  Buffer.byteLength(path.join(run, 'mon.a.asok')) <= MAX_SOCKET_BYTES;

/**
 * ceph.conf gives these characters a meaning of its own ($ expands, # and ;
 * begin a comment); BERTH_FIELD_INVALID for them.
 */
export function checkDirectoryName(directory: string): void {
  const bad = /[#;$"'\\%\p{Cc}]/u.exec(directory)?.[0];
  if (bad === undefined) return;
  throw berthError('BERTH_FIELD_INVALID', {
    field: 'directory',
    why: `${JSON.stringify(bad)} cannot stand in a path of ceph.conf`,
  });
}
