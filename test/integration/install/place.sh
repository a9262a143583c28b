#!/bin/sh
# place.sh SCRATCH USER DIRECTORY SOURCE=TARGET... -- COMMAND...: runs COMMAND as on a machine or in a container of its
# own. Programs are this machine's; nothing else of its files is there but each SOURCE, seen at its TARGET, and what
# USER (root, or a number) writes elsewhere is gone with the last process. What is shared stays so. To be started in a
# mount namespace of its own; the process stays the same.
set -eu
scratch=$1 user=$2 directory=$3
shift 3

# What is mounted from here on is nobody else's.
mount --make-private "$(findmnt -n -o TARGET -T "$scratch")"
mount -t tmpfs place "$scratch"
new=$scratch/new
mkdir -p "$new/etc" "$new/opt" "$new/var/lib" "$new/root" "$new/home"
for one in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$one" ]; then cp -a "/$one" "$new/$one"; elif [ -d "/$one" ]; then
    mkdir "$new/$one"
    mount --rbind "/$one" "$new/$one"
  fi
done
for one in usr proc sys dev; do
  mkdir -p "$new/$one"
  mount --rbind "/$one" "$new/$one"
done
# The machine's own stay as they are, whatever root is told to remove here.
mount -o remount,bind,ro "$new/usr"
for one in passwd group nsswitch.conf hosts ld.so.cache; do
  [ ! -e "/etc/$one" ] || cp "/etc/$one" "$new/etc/"
done
for one in alternatives ssl; do
  [ -d "/etc/$one" ] || continue
  mkdir "$new/etc/$one"
  mount --bind "/etc/$one" "$new/etc/$one"
done
mkdir -m 1777 "$new/tmp" "$new/run"
while [ "$1" != -- ]; do
  source=${1%%=*} target=${1#*=}
  if [ -d "$source" ]; then mkdir -p "$new$target"; else
    mkdir -p "$new${target%/*}"
    : > "$new$target"
  fi
  mount --rbind "$source" "$new$target"
  case $target in /opt/*) mount -o remount,bind,ro "$new$target" ;; esac
  shift
done
shift
if [ "$user" != root ]; then
  # The kernel forgets with the user whose death ends this process.
  set -- setpriv --pdeathsig KILL "--reuid=$user" "--regid=$user" --clear-groups --bounding-set=-all \
    --inh-caps=-all "$@"
fi
# shellcheck disable=SC2016
exec chroot "$new" sh -c 'cd "$1" && shift && exec "$@"' sh "$directory" "$@"
