/**
 * The ceph.conf of a development cluster: only options that Ceph 14 to 20 know or, unknown to one of them, pass over.
 */
import { monitorVector } from './address.js';
import { keyringOf, type Layout } from './layout.js';
import type { Record } from './cluster-record.js';

/** Sparse, so that volumes of any usual size fit; it grows with what is really written. */
export const OSD_BYTES = 100 * 2 ** 30;

/** Where a daemon of any kind puts what it writes. */
const outlets = (layout: Layout, record: Record): string => `log file = ${layout.log}/$name.log
admin socket = ${record.sockets}/$name.asok
pid file = ${layout.run}/$name.pid
debug rocksdb = 0/0`;

/** Text of the file; every path in it lies in the cluster's directory (or its socket directory). */
export const confText = (layout: Layout, record: Record): string => `[global]
fsid = ${record.fsid}
mon host = ${monitorVector(record.address)}
mon initial members = a
public addr = ${record.address}
cluster addr = ${record.address}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = ${keyringOf(layout, '$name')}
run dir = ${layout.run}
crash dir = ${layout.crash}
log to stderr = false
# One OSD: nothing is replicated, and health does not complain of it.
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false

[mon]
mon data = ${layout.mon}
keyring = ${layout.mon}/keyring
${outlets(layout, record)}
auth allow insecure global id reclaim = false
# Keys of the type before aes256k, for clients that know no other.
mon auth allow insecure key = true
mon data avail warn = 1
mon data avail crit = 1

[mgr]
mgr data = ${layout.mgr}
${outlets(layout, record)}
mgr initial modules = iostat
# Capacity figures appear within a second instead of within five.
mgr tick period = 1
mgr stats period = 1

[osd]
osd data = ${layout.osd}
${outlets(layout, record)}
osd objectstore = bluestore
osd memory target = 1073741824
bluestore block size = ${OSD_BYTES}
# Closing a device waits for one such poll, and a starting OSD closes it a dozen times: 250 ms each would be 4 s.
bdev aio poll ms = 20
# Tests stop the OSD where it stands, for minutes: an operation that it was at must not look like a hang to it.
osd op thread suicide timeout = 3600
# A restarted OSD serves once the leases of its earlier life are over: 2 s instead of 16.
osd pool default read lease ratio = 0.1
# The monitor is told of the OSD's place while the OSD is still being made: a round of the monitor takes a second.
osd crush update on start = false
osd class update on start = false
mgr stats period = 1

[client]
log file =
admin socket =
`;
