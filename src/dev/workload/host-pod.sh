#!/bin/sh
# The container of a pod of the host: TREE, read-only, with VOLUME in it and nothing else of the host. Runs what follows
# as its init, in the mount and pid namespaces that it is given; the old root is left, as runtimes leave it, so that no
# other mount is kept alive by it.
# usage: host-pod.sh TREE ROOT VOLUME PROGRAM...
set -e
tree=$1 root=$2 volume=$3
shift 3
mount --make-rprivate /
mount --bind "$tree" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$volume" "$root/volume"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
cd "$root"
pivot_root . old
cd /
# The host's umount, by the host's own loader and libraries: the tree has none.
for loader in /old/lib64/ld-linux-*.so.? /old/lib/ld-linux-*.so.?; do [ -e "$loader" ] && break; done
libraries=$(printf '%s:' /old/usr/lib/*-linux-gnu* /old/lib/*-linux-gnu* /old/usr/lib64)
"$loader" --library-path "$libraries" /old/bin/umount -l /old
exec "$@"
